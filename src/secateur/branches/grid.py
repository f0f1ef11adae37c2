"""The few-shot branch in two dimensions: filters and fully connected neurons are removed at rates of their own."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from secateur import tablefile
from secateur.branches import measurements
from secateur.branches.rounds import fingerprint_of
from secateur.branches.shared import Shared, same
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.progress import track
from secateur.pruning.removal import remove
from secateur.pruning.selection import Selection, Selector, select_many
from secateur.pruning.units import UnitGroup
from secateur.ranking import scorefile

TYPES = {
    "run": "str",
    "study": "str",
    "dataset": "str",
    "backbone": "str",
    "criterion": "str",
    "seed": "int64",
    "samples_per_class": "str",
    "filter_rate": "float64",
    "neuron_rate": "float64",
    "filters_removed": "int64",
    "filters_total": "int64",
    "neurons_removed": "int64",
    "neurons_total": "int64",
    "params": "int64",
    "params_share": "float64",
    "macs": "int64",
    "macs_share": "float64",
    "accuracy": "float64",
    "loss": "float64",
    "worst_class": "str",
    "worst_class_accuracy": "float64",
    "test_samples": "int64",
}
"""Columns of the grid table, in order, with their types: an empty table has them too."""
KINDS = ("filter", "neuron")


def grid(study: Study, criterion: str, seeds: Sequence[int], rankings: Path, output: Path) -> None:
    """Evaluate the study's models with filters and neurons removed, at every pair of rates of `fewshot.grid`.

    Each kind is ranked globally among itself, lowest scores first. A network without neurons (or without filters) has
    no second dimension: a line on standard error says so, and the table is empty.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        rankings: the score file.
        output: written: one row a seed, filter rate and neuron rate (see docs/architecture.md).

    Raises:
        SecateurError: the config has no `fewshot.grid`, a rate is out of reach, or the score file does not fit.
    """
    settings = study.config["fewshot"].get("grid")
    if settings is None:
        raise SecateurError("fewshot.grid: the key is missing; it gives the filter_rates and neuron_rates to measure.")
    by_kind = {kind: [group for group in study.groups if group.kind == kind] for kind in KINDS}
    absent = [kind for kind in KINDS if not by_kind[kind]]
    rows: list[dict[str, Any]] = []
    if absent:
        print(f"grid {study.name}: skipped, as the network has no {absent[0]}s to remove.", file=sys.stderr, flush=True)
    else:
        shared = Shared(study.shared, f"grid-{criterion}", fingerprint_of(study), study.example.device)
        for seed in track(seeds, len(seeds), f"grid {study.name} {criterion}"):
            shared.hear()
            rows += _measured(study.of(seed), by_kind, seed, rankings, shared)
            shared.tell()
    about = study.config["studies"][study.name]
    table = pd.DataFrame(rows, columns=list(TYPES)).assign(
        run=study.config["run"],
        study=study.name,
        dataset=about["dataset"],
        backbone=about["backbone"],
        criterion=criterion,
    )
    tablefile.write(output, table[list(TYPES)].astype(TYPES))


def _measured(
    study: Study, by_kind: Mapping[str, list[UnitGroup]], seed: int, rankings: Path, shared: Shared
) -> list[dict[str, Any]]:
    """Rows of one seed: what was removed and what is left, by filter rate, then neuron rate."""
    settings = study.config["fewshot"]["grid"]
    model, samples = study.model(seed), str(settings["samples_per_class"])
    totals = {kind: sum(group.size for group in groups) for kind, groups in by_kind.items()}
    scores = scorefile.read(rankings, seed, samples, {group.name: group.size for group in study.groups})
    filters, neurons = (_selections(study, kind, by_kind[kind], scores, settings[f"{kind}_rates"]) for kind in KINDS)
    unpruned = measurements.of_unpruned(study, seed)

    def measured(selection: Selection) -> dict[str, Any]:
        if not any(selection.values()):
            return unpruned
        return shared.row(
            [seed, same(selection)], lambda: measurements.measure(study, remove(model, study.groups, selection))
        )

    rows = []
    for filter_rate, filter_units in zip(settings["filter_rates"], filters, strict=True):
        for neuron_rate, neuron_units in zip(settings["neuron_rates"], neurons, strict=True):
            found = measured(filter_units | neuron_units)
            rows.append(
                {
                    "seed": seed,
                    "samples_per_class": samples,
                    "filter_rate": filter_rate,
                    "neuron_rate": neuron_rate,
                    "filters_removed": sum(map(len, filter_units.values())),
                    "filters_total": totals["filter"],
                    "neurons_removed": sum(map(len, neuron_units.values())),
                    "neurons_total": totals["neuron"],
                    "params_share": found["params"] / unpruned["params"],
                    "macs_share": found["macs"] / unpruned["macs"],
                }
                | found
            )
    return rows


def _selections(
    study: Study, kind: str, groups: list[UnitGroup], scores: Mapping[str, Tensor], rates: Sequence[float]
) -> list[Selection]:
    """The units of one kind that go, by rate; an error names the key of the rates."""
    try:
        return select_many(groups, scores, rates, Selector(min_units=study.config["min_units"]))
    except SecateurError as error:
        raise SecateurError(f"fewshot.grid.{kind}_rates, study '{study.name}': {error}") from error
