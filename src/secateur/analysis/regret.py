"""Regret: how much worse a criterion's networks are than those of the joint oracle, without retraining."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from secateur.analysis import trace
from secateur.analysis.paired import exact_interval

ORACLE = "oracle_joint"
MEASURES = {"accuracy": ("mean_accuracy_over_rate", 1), "loss": ("mean_loss_over_rate", -1)}
"""What is compared: the measure, and the sign by which more regret is worse."""
KEYS = ["study", "samples_per_class", "criterion", "oracle"]
COLUMNS = [*KEYS, "n", "accuracy", "accuracy_low", "accuracy_high", "loss", "loss_low", "loss_high", "source"]


def joint_oracles(criteria: Sequence[dict[str, object]]) -> list[str]:
    """Names of the config's entries that are the criterion `oracle_joint`."""
    return [str(entry["name"]) for entry in criteria if entry.get("criterion") == ORACLE]


def regret(measures: pd.DataFrame, oracles: Sequence[str], alpha: float) -> pd.DataFrame:
    """What is lost by following a criterion and not a joint oracle, on test images, in the few-shot branch.

    Args:
        measures: from `measures.measure_both`, numbered, rows of pruned networks.
        oracles: names of the joint oracles.
        alpha: level of the intervals.

    Returns:
        One row per study, sample count, criterion and oracle. `accuracy`: the oracle's accuracy minus the criterion's,
        averaged over the pruning rate and over seeds; `loss`: the criterion's mean cross-entropy minus the oracle's.
        Each with its exact paired interval over `n` seeds. Best first within a study and sample count. A negative
        regret is possible: the oracle is greedy, and it saw the reference images, not the test images.
    """
    rows: list[dict[str, Any]] = []
    chosen = measures[measures["branch"] == "fewshot"]
    for (study, samples), group in chosen.groupby(["study", "samples_per_class"], sort=True):
        tables = {
            name: group[group["measure"] == measure].pivot(index="seed", columns="criterion", values=["value", "line"])
            for name, (measure, _) in MEASURES.items()
        }
        names = sorted(set(group["criterion"]))
        for oracle in [name for name in names if name in oracles]:
            for criterion in [name for name in names if name != oracle]:
                row: dict[str, Any] = dict(zip(KEYS, (study, samples, criterion, oracle), strict=True))
                lines: list[int] = []
                for name, (_, sign) in MEASURES.items():
                    both = tables[name].dropna(subset=[("value", oracle), ("value", criterion)])
                    values = sign * (both["value", oracle] - both["value", criterion]).to_numpy(dtype=float)
                    low, high = exact_interval(values, 1 - alpha)
                    row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high, "n": len(values)}
                    lines += [int(line) for entry in (oracle, criterion) for line in both["line", entry]]
                rows.append(row | {"source": trace.source(trace.MEASURES, pd.Series(sorted(lines)))})
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["study", "samples_per_class", "oracle", "accuracy", "criterion"], ignore_index=True)
