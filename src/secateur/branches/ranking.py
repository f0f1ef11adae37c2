"""The ranking stages: one criterion's scores of every unit, for each seed, number and draw of reference samples.

A criterion that is a Snakemake rule ranks in two steps: a case is written for each of them, its answers are gathered.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur import tablefile
from secateur.branches.study import Study
from secateur.data import references
from secateur.errors import SecateurError
from secateur.progress import track
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import UnitGroup, layers_of
from secateur.ranking import outside, registry, scorefile, ties
from secateur.ranking.network import Network
from secateur.ranking.rank import Scoring, rank
from secateur.varying import draw_of


def rank_study(
    study: Study, criterion: str, seeds: Sequence[int], samples: Path, output: Path, tuned: Path | None = None
) -> None:
    """Rank the units of the study's unpruned models for the few-shot branch and write the score file.

    Args:
        study: what to rank.
        criterion: name in the config.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage.
        output: the score file.
        tuned: options chosen by the tuning stage, where the criterion has any.
    """
    scores: scorefile.Scores = {}
    for seed in track(seeds, len(seeds), f"rank {study.name} {criterion}"):
        here = study.of(seed)
        model, groups = here.model(seed), here.groups
        for samples_per_class in map(str, study.config["fewshot"]["samples_per_class"]):
            ranked = rank_as_configured(
                here, criterion, model, groups, samples, ("fewshot", seed, samples_per_class), options_of(tuned, seed)
            )
            ties.check(_case(study, criterion, seed, samples_per_class), ranked)
            scores[seed, samples_per_class] = ranked
    scorefile.write(output, scores)


def write_case(study: Study, seed: int, samples_per_class: str, samples: Path, output: Path, signals: bool) -> None:
    """Lay out the unpruned model of one seed with its reference samples in the folder `output`, for any program.

    `signals`: only signals.safetensors, which can be large; else the other files.
    """
    images, labels = study.of(seed).references(samples, seed, samples_per_class)
    groups = study.groups
    layers = layers_of(groups)
    draw = draw_of(study.config, "references", seed)
    stream = streams.derive(study.config["run_seed"], "case", study.name, draw, samples_per_class)
    network = Network(
        study.model(seed),
        layers,
        images,
        labels,
        batch_size=study.config["batch_size"],
        generator=torch.Generator().manual_seed(stream),
        groups=groups,
    )
    outside.write_case(output, network, (outside.SIGNALS,) if signals else outside.FILES[:3])


def gather(study: Study, criterion: str, seeds: Sequence[int], cases: Path, output: Path) -> None:
    """Write the score file of a criterion that is a rule, from the tables of scores that the rule has written.

    Args:
        study, criterion, seeds: as of `rank_study`.
        cases: folder of the study's cases, `<seed>-<samples_per_class>/<rule>.csv`.
        output: the score file.
    """
    entry = entry_of(study, criterion)
    declared = registry.load(entry["criterion"], study.config["criteria_path"])
    scores: scorefile.Scores = {}
    for seed in seeds:
        for samples_per_class in map(str, study.config["fewshot"]["samples_per_class"]):
            case = cases / f"{seed}-{samples_per_class}"
            layers = outside.read_scores(case / f"{declared.name}.csv", case / outside.NETWORK)
            scores[seed, samples_per_class] = unit_scores(
                study.groups,
                layers,
                entry.get("combine") or declared.combine,
                entry.get("normalisation") or declared.normalisation,
            )
            ties.check(_case(study, criterion, seed, samples_per_class), scores[seed, samples_per_class])
    scorefile.write(output, scores)


def rank_redraws(study: Study, criterion: str, output: Path) -> None:
    """Rank the units of seed 0's unpruned network on other draws of reference samples, and write the score file.

    One network and one criterion, so that rankings differ by the draw alone: how far a criterion agrees with itself.
    The number of draws is the config's `agreement.draws`; each has the few-shot branch's numbers of samples, smaller
    sets being prefixes of larger ones. The score file has the draw's number in place of the seed's.

    Args:
        study: what to rank.
        criterion: name in the config.
        output: the score file.
    """
    counts = [str(n) for n in study.config["fewshot"]["samples_per_class"] if n != references.ALL]
    study = study.of(0)
    model, groups, draws = study.model(0), study.groups, range(study.config["agreement"]["draws"])
    scores: scorefile.Scores = {}
    with TemporaryDirectory() as folder:
        samples, most = Path(folder, "samples.csv"), references.largest(counts)
        references.write(samples, {
            draw: references.draw(
                study.dataset.train_labels, most, streams.derive(study.config["run_seed"], "redraw", study.name, draw)
            )
            for draw in draws
        })  # fmt: skip
        for draw in track(draws, len(draws), f"redraw {study.name} {criterion}"):
            for samples_per_class in counts:
                scores[draw, samples_per_class] = rank_as_configured(
                    study, criterion, model, groups, samples, ("redraw", draw, samples_per_class)
                )
    scorefile.write(output, scores)


def rank_as_configured(
    study: Study,
    criterion: str,
    model: nn.Module,
    groups: list[UnitGroup],
    samples: Path,
    case: tuple[str, int, str] | tuple[str, int, str, int],
    options: dict[str, Any] | None = None,
) -> dict[str, Tensor]:
    """Scores of `groups` of `model`, the study's as it is now, by the config's entry for `criterion`.

    `samples`: the reference samples, which are read only if the criterion needs any. `case`: branch (or "redraw"), seed
    (or draw), samples per class and, in the branch with retraining, the round; it names the criterion's own stream.
    `options`: tuned ones, beside the entry's own.
    """
    entry, (branch, seed, *rest) = entry_of(study, criterion), case
    draw = draw_of(study.config, "references", seed) if branch != "redraw" else seed
    try:
        loaded = registry.load(entry["criterion"], study.config["criteria_path"])
        images, labels = study.references(samples, seed, case[2]) if loaded.needs else (study.example, None)
        scoring = Scoring(
            loaded,
            seed=streams.derive(study.config["run_seed"], "criterion", study.name, criterion, branch, draw, *rest),
            options=entry["options"] | (options or {}),
            combine=entry.get("combine"),
            normalisation=entry.get("normalisation"),
            batch_size=study.config["batch_size"],
        )
        return rank(model, groups, images, labels, scoring)
    except SecateurError as error:
        raise SecateurError(f"study '{study.name}', {error}") from error


def options_of(tuned: Path | None, seed: int) -> dict[str, Any]:
    """The options that the tuning stage chose for a seed; none where nothing was tuned."""
    if tuned is None:
        return {}
    try:
        return json.loads(str(tablefile.read(tuned).set_index("seed").loc[seed, "options"]))
    except (OSError, ValueError, KeyError) as error:
        raise SecateurError(f"{tuned}: holds no options for seed {seed} ({error}). Remove it and run again.") from None


def _case(study: Study, criterion: str, seed: int, samples_per_class: str) -> str:
    return f"study '{study.name}', seed {seed}, {samples_per_class} images a class: criterion '{criterion}'"


def entry_of(study: Study, criterion: str) -> dict[str, Any]:
    """The config's entry of that name."""
    return next(item for item in study.config["criteria"] if item["name"] == criterion)
