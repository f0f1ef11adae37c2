"""The few-shot branch in two dimensions: two kinds of units are removed at rates of their own.

Filters and fully connected neurons of a convolutional network, heads and neurons of a transformer.
"""

import itertools
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
    "head_rate": "float64",
    "neuron_rate": "float64",
    "filters_removed": "int64",
    "filters_total": "int64",
    "heads_removed": "int64",
    "heads_total": "int64",
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
KINDS = ("filter", "head", "neuron")


def grid(study: Study, criterion: str, seeds: Sequence[int], rankings: Path, output: Path) -> None:
    """Evaluate the study's models with two kinds of units removed, at every pair of rates of `fewshot.grid`.

    The kinds are the first two of filters, heads and neurons that have rates in the config and units in the network;
    each is ranked globally among itself, lowest scores first, and a third one stays. A network with one of them alone
    has no second dimension: a line on standard error says so, and the table is empty.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        rankings: the score file.
        output: written: one row per seed and pair of rates (see docs/architecture.md).

    Raises:
        SecateurError: the config has no `fewshot.grid`, a rate is out of reach, or the score file does not fit.
    """
    settings = study.config["fewshot"].get("grid")
    if settings is None:
        raise SecateurError("fewshot.grid: the key is missing; it gives the rates to measure.")
    asked = [kind for kind in KINDS if f"{kind}_rates" in settings]
    by_kind = {kind: [group for group in study.groups if group.kind == kind] for kind in asked}
    absent = [f"{kind}s" for kind in asked if not by_kind[kind]]
    chosen = {kind: by_kind[kind] for kind in asked if by_kind[kind]}
    chosen = dict(itertools.islice(chosen.items(), 2))
    rows: list[dict[str, Any]] = []
    if len(chosen) < 2:
        reason = f"the network has no {' and no '.join(absent)} to remove"
        print(f"grid {study.name}: skipped, as {reason}.", file=sys.stderr, flush=True)
    else:
        shared = Shared(study.shared, f"grid-{criterion}", fingerprint_of(study), study.example.device)
        for seed in track(seeds, len(seeds), f"grid {study.name} {criterion}"):
            shared.hear()
            rows += _measured(study.of(seed), chosen, seed, rankings, shared)
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
    study: Study, chosen: Mapping[str, list[UnitGroup]], seed: int, rankings: Path, shared: Shared
) -> list[dict[str, Any]]:
    """Rows of one seed: what was removed and what is left, by the rate of the first kind, then of the second."""
    settings = study.config["fewshot"]["grid"]
    model, samples = study.model(seed), str(settings["samples_per_class"])
    scores = scorefile.read(rankings, seed, samples, {group.name: group.size for group in study.groups})
    going = [
        [
            (kind, rate, units)
            for rate, units in zip(
                settings[f"{kind}_rates"],
                _selections(study, kind, groups, scores, settings[f"{kind}_rates"]),
                strict=True,
            )
        ]
        for kind, groups in chosen.items()
    ]
    nothing = {f"{kind}_rate": 0.0 for kind in KINDS} | {f"{kind}s_removed": 0 for kind in KINDS}
    totals = {f"{kind}s_total": sum(group.size for group in chosen.get(kind, ())) for kind in KINDS}
    unpruned = measurements.of_unpruned(study, seed)

    def measured(selection: Selection) -> dict[str, Any]:
        if not any(selection.values()):
            return unpruned
        return shared.row(
            [seed, same(selection)], lambda: measurements.measure(study, remove(model, study.groups, selection))
        )

    rows = []
    for pair in itertools.product(*going):
        left = measured({name: units for _, _, selection in pair for name, units in selection.items()})
        removed = {f"{kind}s_removed": sum(map(len, selection.values())) for kind, _, selection in pair}
        shares = {f"{name}_share": left[name] / unpruned[name] for name in ("params", "macs")}
        rates = {f"{kind}_rate": rate for kind, rate, _ in pair}
        rows.append({"seed": seed, "samples_per_class": samples} | nothing | totals | rates | removed | shares | left)
    return rows


def _selections(
    study: Study, kind: str, groups: list[UnitGroup], scores: Mapping[str, Tensor], rates: Sequence[float]
) -> list[Selection]:
    """The units of one kind that go, by rate; an error names the key of the rates."""
    try:
        return select_many(groups, scores, rates, Selector(min_units=study.config["min_units"]))
    except SecateurError as error:
        raise SecateurError(f"fewshot.grid.{kind}_rates, study '{study.name}': {error}") from error
