"""Diagnostics: what in a run's curves speaks of how it was measured, and not of the criteria.

Four symptoms. A network whose accuracy on training images is another in eval mode than in train mode is measured by
batch-norm statistics that are not its own. A curve that falls and rises again recovers by losing more, which is worth a
look before its mean is trusted. Where retraining costs accuracy, the recipe is the wrong one; and where no criterion's
network fits the images that it is retrained on, the recipe is too short for so large a cut.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import tables, trace
from secateur.analysis.tables import CURVE

GAP = 0.05
"""A network is named where accuracy in both modes differs by more."""
FALL, RISE = 0.20, 0.05
"""A curve is named that falls by more than the first, then rises by more than the second: less is noise."""
LOSS = 0.01
"""Retraining is named where it costs the best criterion more, in the mean over seeds."""
SHORT = 0.20
"""A rate is named where accuracy on training images stays further below that of the network before pruning."""
STATISTICS, REBOUND, RETRAINING, UNFITTED = "statistics", "rebound", "retraining", "unfitted"
COLUMNS = ["kind", "study", "branch", "samples_per_class", "criterion", "control", "seed", "rate", "value", "other",
           "difference", "source"]  # fmt: skip
MAIN = "mean_accuracy_over_rate"


def diagnose(curves: pd.DataFrame, controls: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Every symptom of a run.

    Args:
        curves: of pruned networks, with the column `line` (see `tables.read`).
        controls: those of the unpruned network trained further, likewise; may be empty.
        measures: as of `measures.measure_all`, by which the best criterion is found.

    Returns:
        Columns `COLUMNS`; `difference` is `value` − `other`. By `kind`:
        "statistics": a network (round 0, the same for all criteria, once a seed) with its accuracy on the same training
        images in eval mode (`value`) and in train mode (`other`).
        "rebound": a curve with its accuracy at the rate after which it rises most (`value`) and the highest one after
        it (`other`).
        "retraining": of a study's best criterion with retraining, a rate with the mean accuracy with (`value`) and
        without (`other`), on as many reference samples or, where there are none such, the next larger number.
        "unfitted": of a study, a rate with retraining with the criterion whose networks are right on most of their
        training images (`value`, the mean over seeds), and that share before pruning (`other`).
    """
    symptoms = [
        *_stale(pd.concat([controls, curves])), *_rebounds(curves), *_losses(curves, measures), *_unfitted(curves)
    ]  # fmt: skip
    table = pd.DataFrame(symptoms, columns=COLUMNS).astype({"value": float, "other": float})
    return table.assign(difference=table["value"] - table["other"])


def in_both_modes(curves: pd.DataFrame) -> pd.DataFrame:
    """The networks whose accuracy on training images was measured, each once."""
    measured = curves.dropna(subset=["training_accuracy_eval_mode", "training_accuracy_train_mode"])
    whole = measured["rate"] == 0
    return pd.concat([measured[whole].drop_duplicates(["study", "seed"]), measured[~whole]])


def _stale(curves: pd.DataFrame) -> Iterator[dict[str, Any]]:
    measured = in_both_modes(curves)
    gap = measured["training_accuracy_eval_mode"] - measured["training_accuracy_train_mode"]
    for row in tables.records(measured[gap.abs() > GAP]):
        whole = {"criterion": "", "samples_per_class": "", "branch": ""} if row["rate"] == 0 else {}
        yield row | whole | {
            "kind": STATISTICS, "value": row["training_accuracy_eval_mode"],
            "other": row["training_accuracy_train_mode"], "source": _source([row["line"]]),
        }  # fmt: skip


def _rebounds(curves: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, curve in curves.groupby(CURVE, sort=True):
        curve = curve.sort_values("rate")
        accuracy = curve["accuracy"].to_numpy(dtype=float)
        fallen = np.maximum.accumulate(accuracy) - accuracy
        risen = np.maximum.accumulate(accuracy[::-1])[::-1] - accuracy
        risen[fallen <= FALL] = 0.0
        place = int(risen.argmax())
        if risen[place] > RISE:
            yield tables.records(curve.iloc[[place]])[0] | {
                "kind": REBOUND, "value": accuracy[place], "other": accuracy[place:].max(),
                "source": _source(curve["line"]),
            }  # fmt: skip


def _losses(curves: pd.DataFrame, measures: pd.DataFrame) -> Iterator[dict[str, Any]]:
    means = measures[(measures["branch"] == "retrain") & (measures["measure"] == MAIN)]
    for (study, samples), group in means.groupby(["study", "samples_per_class"], sort=True):
        best = str(group.groupby("criterion")["value"].mean().idxmax())
        own = curves[(curves["study"] == study) & (curves["criterion"] == best)]
        with_, without = own[own["branch"] == "retrain"], own[own["branch"] == "fewshot"]
        with_ = with_[(with_["samples_per_class"] == samples) & (with_["rate"] > 0)]
        if without.empty:
            continue
        numbers = tables.in_order(without["samples_per_class"])
        at_least = [number for number in numbers if tables.in_order([number, str(samples)])[-1] == number]
        without = without[without["samples_per_class"] == (at_least or numbers[-1:])[0]]
        for rate, at_rate in with_.groupby("rate"):
            beside = [_at(without[without["seed"] == row["seed"]], row["rate_achieved"])
                      for row in tables.records(at_rate)]  # fmt: skip
            value, other = float(at_rate["accuracy"].mean()), float(np.mean(beside))
            if value < other - LOSS:
                lines = [*at_rate["line"], *without["line"]]
                yield {"kind": RETRAINING, "study": study, "branch": "retrain", "samples_per_class": samples,
                       "criterion": best, "control": "", "rate": rate, "value": value, "other": other,
                       "source": _source(lines)}  # fmt: skip


def _unfitted(curves: pd.DataFrame) -> Iterator[dict[str, Any]]:
    trained = curves[curves["branch"] == "retrain"].dropna(subset=["training_accuracy_eval_mode"])
    for (study, samples), group in trained.groupby(["study", "samples_per_class"], sort=True):
        before = float(group.loc[group["rate"] == 0, "training_accuracy_eval_mode"].mean())
        for rate, at_rate in group[group["rate"] > 0].groupby("rate"):
            means = at_rate.groupby("criterion")["training_accuracy_eval_mode"].mean()
            if means.max() < before - SHORT:
                best = str(means.idxmax())
                yield {"kind": UNFITTED, "study": study, "branch": "retrain", "samples_per_class": samples,
                       "criterion": best, "control": "", "rate": rate, "value": float(means.max()), "other": before,
                       "source": _source(at_rate.loc[at_rate["criterion"] == best, "line"])}  # fmt: skip


def _at(curve: pd.DataFrame, rate: float) -> float:
    """A curve's accuracy at a rate, between its points; NaN beyond its last one or where there is none."""
    curve = curve.sort_values("rate_achieved")
    if curve.empty:
        return np.nan
    return float(np.interp(rate, curve["rate_achieved"], curve["accuracy"], right=np.nan))


def _source(lines: Any) -> str:
    return trace.source(trace.CURVES, lines)
