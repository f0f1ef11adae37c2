"""The few-shot branch's second axis: what each remedy makes of the pruned networks, with the same few images."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from secateur.branches import measurements
from secateur.branches.curvefile import write_curve
from secateur.branches.rounds import fingerprint_of
from secateur.branches.shared import Shared, same
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.progress import track
from secateur.pruning.removal import Step, sweep
from secateur.ranking import scorefile
from secateur.repair import registry, samples_tried, tried
from secateur.repair.view import Whole


def repair_study(
    study: Study, criterion: str, seeds: Sequence[int], samples: Path, rankings: Path, output: Path
) -> None:
    """Repair the networks of the few-shot branch with every remedy of the config, and evaluate them.

    The images are the reference samples that the criterion had (a data-free criterion's network gets them too), without
    their labels. What is not repaired (`none`) is the few-shot stage's own.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage.
        rankings: the score file.
        output: written: curves, one row per seed, sample count, remedy and rate, from rate 0 on.

    Raises:
        SecateurError: a remedy does not apply to this network; says which study and remedy.
    """
    rates = study.config["fewshot"]["rates"]
    remedies = [registry.load(name) for name in tried(study.config, study.name)]
    rows: list[dict[str, Any]] = []
    shared = Shared(study.shared, f"repair-{criterion}", fingerprint_of(study), study.example.device)
    for seed in track(seeds, len(seeds), f"repair {study.name} {criterion}"):
        shared.hear()
        here = study.of(seed)
        model, groups = here.model(seed), here.groups
        sizes = {group.name: group.size for group in groups}
        total = sum(sizes.values())
        for samples_per_class in map(str, samples_tried(study.config)):
            images, _ = here.references(samples, seed, samples_per_class)
            whole = Whole(model, images)
            key = {"seed": seed, "samples_per_class": samples_per_class}
            unpruned = (
                key
                | {"round": 0, "rate": 0.0, "units_total": total, "units_removed": 0}
                | measurements.of_unpruned(here, seed)
            )
            rows += [unpruned | {"remedy": remedy.name} for remedy in remedies]
            scores = scorefile.read(rankings, seed, samples_per_class, sizes)
            for step in sweep(model, groups, scores, rates, study.selecting):
                removed = sum(len(units) for units in step.selection.values())
                counted = {"round": 1, "rate": step.rate, "units_total": total, "units_removed": removed}
                for remedy in remedies:
                    what = [seed, same(step.selection), remedy.name, samples_per_class]
                    try:
                        measured = shared.row(what, partial(_measured, here, remedy, whole, step))
                    except SecateurError as error:
                        raise SecateurError(f"study '{study.name}', fewshot.remedies: {error}") from error
                    rows.append(key | counted | {"remedy": remedy.name} | measured)
        shared.tell()
    write_curve(output, study, "fewshot", criterion, rows)


def _measured(study: Study, remedy: registry.Remedy, whole: Whole, step: Step) -> dict[str, Any]:
    return measurements.measure(study, registry.repaired(remedy, whole, step.model, study.groups, step.selection))
