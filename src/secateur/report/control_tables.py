"""The page's table of controls: what further training alone, and the shape alone, are worth beside pruning."""

import pandas as pd

from secateur.report.plots import over_rates
from secateur.report.table import Table, build, percent, signed

KEYS = ["study", "samples_per_class", "rate"]


def controls_table(curves: pd.DataFrame, unpruned: pd.DataFrame, scratch: pd.DataFrame) -> Table:
    """Accuracy with retraining beside that of the controls, each a mean over the seeds that both have.

    Args:
        curves: of pruned networks; unpruned, scratch: of these controls (see `tables.read`), either may be empty.
    """
    own = _at_rates(curves[curves["branch"] == "retrain"])
    whole = unpruned[["study", "seed", "rate", "accuracy"]].rename(columns={"accuracy": "unpruned"})
    shape = scratch[[*KEYS, "criterion", "seed", "accuracy"]].rename(columns={"accuracy": "scratch"})
    joined = own.merge(whole, how="left", on=["study", "seed", "rate"])
    joined = joined.merge(shape, how="left", on=[*KEYS, "criterion", "seed"])
    joined = joined[joined["unpruned"].notna() | joined["scratch"].notna()]
    for control in ("unpruned", "scratch"):
        joined[f"beside_{control}"] = joined["accuracy"] - joined[control]
    means = joined.groupby([*KEYS, "criterion"], as_index=False).mean(numeric_only=True)
    shown = [control for control in ("unpruned", "scratch") if means[control].notna().any()]
    heads = {"unpruned": "unpruned, trained further", "scratch": "its shape from scratch"}
    return build(
        "controls-table", "With retraining, beside the controls",
        "The unpruned network after the same further training says what that alone changes; the pruned shape, trained "
        "from random weights for as many steps, what its size alone allows. Means over seeds; differences are of the "
        "pruned network from the control, in percentage points.",
        means, {
            "criterion": ("criterion", str), "study": ("study", str), "samples_per_class": ("images per class", str),
            "rate": ("rate", percent), "accuracy": ("pruned and retrained", percent),
            **{control: (heads[control], percent) for control in shown},
            **{f"beside_{control}": (f"difference from {'it' if len(shown) == 1 else control}", signed)
               for control in shown},
        }, "tables/curves.csv",
    )  # fmt: skip


def _at_rates(curves: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at exactly the pruning rates, as curves and other tables have it: `KEYS criterion seed accuracy`."""
    columns = [*KEYS, "criterion", "seed", "accuracy"]
    pieces = [
        over_rates(group, "accuracy")
        .rename(columns={"x": "rate"})
        .assign(study=str(study), samples_per_class=str(samples))
        for (study, samples), group in curves.groupby(["study", "samples_per_class"])
        if (group["rate"] > 0).any()
    ]
    rows = pd.concat(pieces)[columns] if pieces else curves.iloc[:0][columns]
    return rows[rows["rate"] > 0]
