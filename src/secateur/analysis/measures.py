"""Measures: what one number, or a few, say about a pruning curve.

Criteria are compared at equal x: every curve is interpolated linearly between its measured points, and averages run
over the range that *all* curves of the same study, branch and sample count have reached.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import trace
from secateur.analysis.tables import CURVE

KEPT = (0.95, 0.99)
"""Shares of the unpruned accuracy that count as kept."""
COLLAPSE = 0.5
"""A class has collapsed when its accuracy is below this share of the unpruned network's worst class."""
REACHED = 0.01
"""A rate counts as reached when all curves come this near: units are whole, so rates are met nearly, not exactly."""
STEP = 0.1
"""Distance of the common grid over removed MACs and parameters."""

UNPRUNED = "unpruned"
"""The control that is trained on in every round, as the pruned networks are, and never pruned."""

ACCURACY, SHARE, LOSS = "accuracy", "share of units", "nats"
MEASURES: dict[str, tuple[str, str, str]] = {
    "mean_accuracy_over_rate": ("higher", ACCURACY, "accuracy, averaged over the pruning rate"),
    "mean_accuracy_over_macs": ("higher", ACCURACY, "accuracy, averaged over the removed share of MACs"),
    "mean_accuracy_over_params": ("higher", ACCURACY, "accuracy, averaged over the removed share of parameters"),
    "mean_worst_class_over_rate": ("higher", ACCURACY, "accuracy of the worst class, averaged over the pruning rate"),
    "mean_loss_over_rate": ("lower", LOSS, "mean cross-entropy, averaged over the pruning rate"),
    "unpruned_accuracy": ("higher", ACCURACY, "accuracy of the unpruned network"),
    "rate_keeping_95": ("higher", SHARE, "pruning rate up to which 95 % of the unpruned accuracy is kept"),
    "rate_keeping_99": ("higher", SHARE, "pruning rate up to which 99 % of the unpruned accuracy is kept"),
    "macs_left_keeping_95": ("lower", "share of MACs", "share of MACs left when 95 % of the accuracy is just kept"),
    "macs_left_keeping_99": ("lower", "share of MACs", "share of MACs left when 99 % of the accuracy is just kept"),
    "collapse_rate": ("higher", SHARE, "pruning rate at which the worst class falls to half of its start"),
    "accuracy_at_rate": ("higher", ACCURACY, "accuracy at a pruning rate"),
    "worst_class_at_rate": ("higher", ACCURACY, "accuracy of the worst class at a pruning rate"),
    "loss_at_rate": ("lower", LOSS, "mean cross-entropy at a pruning rate"),
    "accuracy_at_macs_removed": ("higher", ACCURACY, "accuracy at a removed share of MACs"),
    "accuracy_at_params_removed": ("higher", ACCURACY, "accuracy at a removed share of parameters"),
}
"""Name → (which direction is better, unit, words)."""


def averaged(x: np.ndarray, y: np.ndarray, until: float) -> float:
    """Mean of the piecewise linear curve through (x, y) over [x[0], until]; exact, by the trapezoid rule.

    Args:
        x: strictly increasing, shape (points,); y: same shape; until: in (x[0], x[-1]].

    Returns:
        The area under the curve divided by its width, in the units of y: an area under the curve that does not
        depend on how far the curve goes and reads as an average accuracy.
    """
    inside = x < until
    xs = np.append(x[inside], until)
    ys = np.append(y[inside], np.interp(until, x, y))
    return float(np.trapezoid(ys, xs) / (xs[-1] - xs[0]))


def first_below(x: np.ndarray, y: np.ndarray, threshold: float, until: float) -> float:
    """Where the piecewise linear curve through (x, y) first falls below `threshold`, at most `until`.

    A later recovery does not count: up to the returned x, and at every smaller x, the threshold is kept. Curves that
    never fall below it within the range give `until` (the value is then a lower bound, equal for all such curves).
    """
    below = np.flatnonzero(y < threshold)
    if below.size == 0:
        return float(until)
    index = int(below[0])
    if index == 0:
        return float(x[0])
    share = (y[index - 1] - threshold) / (y[index - 1] - y[index])
    return float(min(x[index - 1] + share * (x[index] - x[index - 1]), until))


AT_RATE = {"accuracy": "accuracy_at_rate", "worst_class_accuracy": "worst_class_at_rate", "loss": "loss_at_rate"}
"""Column of the curves → its measure at a rate."""
COLUMNS = [
    "study", "dataset", "backbone", "branch", "samples_per_class", "criterion", "control", "seed", "measure", "at",
    "value", "until", "source",
]  # fmt: skip
ORDER = ["study", "branch", "samples_per_class", "measure", "at", "criterion", "seed"]
"""Rows are sorted so that what is compared stands together: seeds of a criterion, then criteria."""


def measure_all(curves: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every curve.

    Args:
        curves: the table `curves` (see `tables.read`); without its column `line`, sources are empty.

    Returns:
        `COLUMNS`; `at` is the rate or removed share that a measure "at" something is taken at (NaN for the others),
        `until` the end of the common range it averages over, `source` the lines of the curve, `control` is "". Curves
        of a single point say nothing and are left out.
    """
    rows: list[dict[str, Any]] = []
    for _, group in curves.groupby(["study", "branch", "samples_per_class"], sort=True):
        pieces = [piece.sort_values("rate") for _, piece in group.groupby(["criterion", "seed"]) if len(piece) > 1]
        if not pieces:
            continue
        until = {axis: min(float(_axis(piece, axis).max()) for piece in pieces) for axis in ("rate", "macs", "params")}
        rates = sorted({float(rate) for rate in group["rate"] if 0 < rate <= until["rate"] + REACHED})
        for piece in pieces:
            first = piece.iloc[0]
            key = {column: first[column] for column in [*CURVE, "dataset", "backbone"]} | {"control": ""}
            key["source"] = trace.source(trace.CURVES, piece["line"]) if "line" in piece else ""
            rows.extend(key | row for row in _of_curve(piece, until, rates))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(ORDER, kind="stable", ignore_index=True)


def measure_both(curves: pd.DataFrame, control: pd.DataFrame) -> pd.DataFrame:
    """`measure_all` of the pruned networks' curves, and after it `measure_control`, where a run has that control."""
    pruned = measure_all(curves)
    return pd.concat([pruned, measure_control(control)], ignore_index=True) if len(control) else pruned


def measure_control(curves: pd.DataFrame) -> pd.DataFrame:
    """What the unpruned network has that was trained on as long as the pruned ones of each rate.

    Args:
        curves: rows of the table `curves` with `control` UNPRUNED: one a seed and round, `rate` that of the round's
            pruned networks.

    Returns:
        `COLUMNS` with `control` UNPRUNED and no criterion: accuracy, worst class and loss at every rate.
    """
    rows: list[dict[str, Any]] = []
    for row in curves[curves["rate"] > 0].to_dict("records"):
        key = {column: row[column] for column in [*CURVE, "dataset", "backbone"]}
        key |= {"criterion": "", "control": UNPRUNED, "at": row["rate"], "until": row["rate"]}
        key["source"] = trace.source(trace.CURVES, [row["line"]]) if "line" in row else ""
        for column, measure in AT_RATE.items():
            rows.append(key | {"measure": measure, "value": row[column]})
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(ORDER, kind="stable", ignore_index=True)


def _axis(piece: pd.DataFrame, axis: str) -> np.ndarray:
    values = piece["rate_achieved"] if axis == "rate" else 1.0 - piece[f"{axis}_share"]
    return values.to_numpy(dtype=float)


def points(piece: pd.DataFrame, axis: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A curve with strictly increasing x, what is gone of "rate", "macs" or "params"; points at the same x averaged."""
    x, place, count = np.unique(_axis(piece, axis).round(12), return_inverse=True, return_counts=True)
    return x, np.bincount(place, weights=piece[column].to_numpy(dtype=float)) / count


def _of_curve(piece: pd.DataFrame, until: dict[str, float], rates: list[float]) -> Iterator[dict[str, Any]]:
    def row(measure: str, value: float, end: float, at: float = np.nan) -> dict[str, Any]:
        return {"measure": measure, "at": at, "value": value, "until": end}

    for column, name in (
        ("accuracy", "mean_accuracy"), ("worst_class_accuracy", "mean_worst_class"), ("loss", "mean_loss"),
    ):  # fmt: skip
        for axis in ("rate", "macs", "params"):
            if f"{name}_over_{axis}" in MEASURES and until[axis] > 0:
                yield row(f"{name}_over_{axis}", averaged(*points(piece, axis, column), until[axis]), until[axis])
    x, accuracy = points(piece, "rate", "accuracy")
    _, worst = points(piece, "rate", "worst_class_accuracy")
    _, loss = points(piece, "rate", "loss")
    yield row("unpruned_accuracy", float(accuracy[0]), 0.0)
    yield row("collapse_rate", first_below(x, worst, COLLAPSE * worst[0], until["rate"]), until["rate"])
    removed, by_macs = points(piece, "macs", "accuracy")
    for share in KEPT:
        percent = round(100 * share)
        kept = first_below(x, accuracy, share * accuracy[0], until["rate"])
        yield row(f"rate_keeping_{percent}", kept, until["rate"])
        macs = first_below(removed, by_macs, share * by_macs[0], until["macs"])
        yield row(f"macs_left_keeping_{percent}", 1.0 - macs, until["macs"])
    for rate in rates:
        yield row("accuracy_at_rate", float(np.interp(rate, x, accuracy)), until["rate"], rate)
        yield row("worst_class_at_rate", float(np.interp(rate, x, worst)), until["rate"], rate)
        yield row("loss_at_rate", float(np.interp(rate, x, loss)), until["rate"], rate)
    for axis in ("macs", "params"):
        along = points(piece, axis, "accuracy")
        for at in np.arange(STEP, until[axis] + 1e-9, STEP).round(6):
            yield row(f"accuracy_at_{axis}_removed", float(np.interp(at, *along)), until[axis], float(at))


def limited(measures: pd.DataFrame) -> int:
    """How many of these values of one measure are the end of the common range: bounds, not observed falls."""
    measure, values, until = measures["measure"].iloc[0], measures["value"], measures["until"]
    if measure in ("rate_keeping_95", "rate_keeping_99", "collapse_rate"):
        return int((values >= until).sum())
    if measure in ("macs_left_keeping_95", "macs_left_keeping_99"):
        return int((values <= 1.0 - until).sum())
    return 0


def wide(measures: pd.DataFrame, measure: str, at: float | None = None) -> pd.DataFrame:
    """One measure as a table of blocks: rows (study, branch, samples_per_class, seed), columns criteria."""
    chosen = measures[measures["measure"] == measure]
    if at is not None:
        chosen = chosen[np.isclose(chosen["at"], at)]
    return chosen.pivot(index=["study", "branch", "samples_per_class", "seed"], columns="criterion", values="value")
