"""The curves table of a criterion or control, as every branch writes it: columns, and the shares of what is left."""

from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.branches.study import Study
from secateur.choosing import OWN
from secateur.repair import NONE
from secateur.varying import named

COLUMNS = [
    "run",
    "study",
    "dataset",
    "backbone",
    "branch",
    "criterion",
    "control",
    "remedy",
    "choice",
    "shuffle",
    "seed",
    "varied",
    "samples_per_class",
    "round",
    "rate",
    "units_total",
    "units_removed",
    "rate_achieved",
    "params",
    "params_share",
    "macs",
    "macs_share",
    "accuracy",
    "loss",
    "worst_class",
    "worst_class_accuracy",
    "test_samples",
    "training_accuracy_eval_mode",
    "training_accuracy_train_mode",
    "training_samples",
]
"""Columns of the curves table, in order."""


def write_curve(
    path: Path, study: Study, branch: str, criterion: str, rows: list[dict[str, Any]], control: str = ""
) -> None:
    """Write one criterion's rows as a curves table (see docs/architecture.md), with the shares of what is left.

    Args:
        path: parquet file, written whole or not at all.
        study: the study that was measured.
        branch: "fewshot" or "retrain".
        criterion: the criterion's name in the config; "" of a control that has none.
        rows: measurements; the row with rate 0 of a seed and sample count is what the others are shares of. What was
            not measured on training images is NaN; a row that names no `remedy` had none, and one that names no
            `choice` is the criterion's own.
        control: which control the rows are of; "" for pruned networks.

    The column `varied` is "" for the seeds' own networks; see `varying` for the others.
    """
    table = pd.DataFrame(rows).reindex(columns=list(dict.fromkeys([*rows[0], *COLUMNS[-3:]])))
    table[COLUMNS[-3:]] = table[COLUMNS[-3:]].astype("float64")
    for column, default in (("remedy", NONE), ("choice", OWN)):
        table[column] = table[column].astype(object) if column in table else default
    table["shuffle"] = table["shuffle"].astype("int64") if "shuffle" in table else 0
    curve = ["seed", "samples_per_class"]
    start = table[table["rate"] == 0].groupby(curve)[["params", "macs"]].first()
    whole = table[curve].join(start, on=curve)
    for column in ("params", "macs"):
        table[f"{column}_share"] = table[column] / whole[column]
    budget = study.config["budget"]
    by_units = table["units_removed"] / table["units_total"]
    table["rate_achieved"] = by_units if budget == "units" else 1 - table[f"{budget}_share"]
    about = study.config["studies"][study.name]
    names = table["seed"].map(named)
    table = table.assign(
        seed=names.str[0].astype("int64"),
        varied=names.str[1],
        run=study.config["run"],
        study=study.name,
        dataset=about["dataset"],
        backbone=about["backbone"],
        branch=branch,
        criterion=criterion,
        control=control,
    )
    tablefile.write(path, table[COLUMNS])
