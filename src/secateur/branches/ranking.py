"""The ranking stage: one criterion's scores of every unit, for each seed and each number of reference samples."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from secateur import seeds as streams
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.models.inputs import Images
from secateur.progress import track
from secateur.pruning.units import UnitGroup
from secateur.ranking import registry, scorefile
from secateur.ranking.rank import rank


def rank_study(study: Study, criterion: str, seeds: Sequence[int], samples: Path, output: Path) -> None:
    """Rank the units of the study's unpruned models for the few-shot branch and write the score file.

    Args:
        study: what to rank.
        criterion: name in the config.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage.
        output: the score file.
    """
    scores: scorefile.Scores = {}
    for seed in track(seeds, len(seeds), f"rank {study.name} {criterion}"):
        model = study.model(seed)
        groups = study.groups
        for samples_per_class in map(str, study.config["fewshot"]["samples_per_class"]):
            images, labels = study.references(samples, seed, samples_per_class)
            scores[seed, samples_per_class] = rank_as_configured(
                study, criterion, model, groups, images, labels, ("fewshot", seed, samples_per_class)
            )
    scorefile.write(output, scores)


def rank_as_configured(
    study: Study,
    criterion: str,
    model: nn.Module,
    groups: list[UnitGroup],
    images: Images,
    labels: Tensor,
    stream: tuple[str | int, ...],
) -> dict[str, Tensor]:
    """Scores by the config's entry for `criterion`; `stream` names the draw, should the criterion make one."""
    entry = next(item for item in study.config["criteria"] if item["name"] == criterion)
    try:
        return rank(
            model,
            registry.load(entry["criterion"], study.config["criteria_path"]),
            groups,
            images,
            labels,
            seed=streams.derive(study.config["run_seed"], "criterion", study.name, criterion, *stream),
            options=entry["options"],
            combine=entry.get("combine"),
            normalisation=entry.get("normalisation"),
            batch_size=study.config["batch_size"],
        )
    except SecateurError as error:
        raise SecateurError(f"study '{study.name}', {error}") from error
