"""The few-shot branch: rank once, remove units at every rate, evaluate, never train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.branches import measurements
from secateur.branches.curvefile import write_curve
from secateur.branches.rounds import fingerprint_of
from secateur.branches.shared import Shared, same
from secateur.branches.study import Study
from secateur.progress import track
from secateur.pruning.removal import Step, sweep
from secateur.ranking import scorefile

Rows = list[dict[str, Any]]


def fewshot(study: Study, criterion: str, seeds: Sequence[int], rankings: Path, curves: Path, profiles: Path) -> None:
    """Evaluate the study's models with units removed in the order of a score file.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        rankings: the score file.
        curves: written: one row a seed, sample count and rate, from rate 0 on.
        profiles: written: how many units of each group were removed at each rate.
    """
    settings = study.config["fewshot"]
    curve_rows: Rows = []
    profile_rows: Rows = []
    shared = Shared(study.shared, f"fewshot-{criterion}", fingerprint_of(study), study.example.device)
    for seed in track(seeds, len(seeds), f"fewshot {study.name} {criterion}"):
        shared.hear()
        here = study.of(seed)
        model = here.model(seed)
        groups = here.groups
        sizes = {group.name: group.size for group in groups}
        total = sum(sizes.values())
        unpruned = measurements.of_unpruned(here, seed)
        for samples_per_class in map(str, settings["samples_per_class"]):
            key = {"seed": seed, "samples_per_class": samples_per_class}
            curve_rows.append(key | {"round": 0, "rate": 0.0, "units_total": total, "units_removed": 0} | unpruned)
            scores = scorefile.read(rankings, seed, samples_per_class, sizes)
            for step in sweep(model, groups, scores, settings["rates"], study.selecting):
                removed = {name: len(units) for name, units in step.selection.items()}
                counted = {"round": 1, "rate": step.rate, "units_total": total, "units_removed": sum(removed.values())}
                curve_rows.append(key | counted | _measured(here, shared, seed, step))
                profile_rows += [
                    key | {"rate": step.rate, "group": name, "units": size, "removed": removed.get(name, 0)}
                    for name, size in sizes.items()
                ]
        shared.tell()
    write_curve(curves, study, "fewshot", criterion, curve_rows)
    table = pd.DataFrame(profile_rows).assign(study=study.name, criterion=criterion)
    columns = ["study", "criterion", "seed", "samples_per_class", "rate", "group", "units", "removed"]
    tablefile.write(profiles, table[columns])


def _measured(study: Study, shared: Shared, seed: int, step: Step) -> dict[str, Any]:
    """What is left at one rate. Rankings that remove the same units leave the same network: it is measured once."""
    return shared.row([seed, same(step.selection)], lambda: measurements.measure(study, step.model))
