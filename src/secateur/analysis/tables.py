"""The tidy tables: reading them, checking them, and the order in which their values are shown."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.analysis.trace import FIRST
from secateur.choosing import OWN
from secateur.errors import SecateurError
from secateur.repair import NONE

CURVE = ["study", "branch", "samples_per_class", "criterion", "seed"]
"""The columns that name one curve."""

COLUMNS = {
    "curves": [
        "run", "study", "dataset", "backbone", "branch", "criterion", "control", "remedy", "choice", "shuffle",
        "seed", "varied", "samples_per_class",
        "round", "rate", "units_total", "units_removed", "rate_achieved", "params", "params_share", "macs",
        "macs_share", "accuracy", "loss", "worst_class", "worst_class_accuracy", "test_samples",
        "training_accuracy_eval_mode", "training_accuracy_train_mode", "training_samples",
    ],
    "profiles": ["study", "criterion", "seed", "samples_per_class", "rate", "group", "units", "removed"],
    "grid": [
        "run", "study", "dataset", "backbone", "criterion", "seed", "samples_per_class",
        "filter_rate", "head_rate", "neuron_rate", "filters_removed", "filters_total", "heads_removed", "heads_total",
        "neurons_removed", "neurons_total", "params", "params_share", "macs", "macs_share", "accuracy", "loss",
        "worst_class", "worst_class_accuracy", "test_samples",
    ],
    "units": ["study", "layer", "group", "kind", "units", "residual", "left_out"],
    "tuning": [
        "study", "criterion", "seed", "options", "validation_accuracy", "trials", "evaluations", "images",
    ],
    "cost": [
        "study", "criterion", "remedy", "repeat", "seconds", "forward_seconds", "gradient_seconds", "view_seconds",
        "ratio_to_gradient", "peak_bytes", "gradient_peak_bytes", "device", "samples", "input_size",
    ],
    "latency": [
        "study", "criterion", "seed", "samples_per_class", "rate", "batch", "seconds", "seconds_lower", "seconds_upper",
        "runs", "speed_up", "params", "params_share", "macs", "macs_share", "disk_bytes", "disk_share", "device",
        "input_size",
    ],
    "toy": [
        "dataset", "variant", "references", "steps", "model_seed", "criterion", "samples_per_class", "repetition",
        "rate", "removed", "evaluated_on", "noise_sigma", "accuracy", "accuracy_unpruned",
    ],
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "curves": {
        "control": "", "remedy": NONE, "choice": OWN, "shuffle": 0, "varied": "", "training_accuracy_eval_mode": np.nan,
        "training_accuracy_train_mode": np.nan,
        "training_samples": np.nan,
    },
    "grid": {"head_rate": 0.0, "heads_removed": 0, "heads_total": 0},
    "toy": {"steps": "fitted"},
    "toy_stability": {"steps": "fitted"},
    "cost": {"remedy": NONE, "view_seconds": np.nan},
}  # fmt: skip
"""Table → column → what it holds where a table of an earlier run lacks it."""
SHARES = ["rate", "rate_achieved", "params_share", "macs_share", "accuracy", "worst_class_accuracy"]


def read(
    tables_dir: str | Path,
    name: str,
    numbered: bool = False,
    control: str = "",
    remedy: str | None = NONE,
    choice: str | None = OWN,
    varied: bool = False,
) -> pd.DataFrame:
    """The table `name` ("curves", "profiles", "grid", "units", "cost", "latency", "toy") of a run.

    Args:
        tables_dir: folder with `<name>.parquet`.
        name: which table; its columns are those of docs/architecture.md (more are allowed and ignored).
        numbered: add the column `line`, where each row stands in `<name>.csv` (see `trace`).
        control: of the curves, the rows of this control ("unpruned"); "" gives those of pruned networks, as every
            reader of curves but one who asks for a control wants them.
        remedy: of the curves, the rows of networks repaired by this remedy; of the cost, what this remedy takes
            ("none": what the criteria take); None gives those of all.
        choice: of the curves, the rows of networks whose units were chosen so (`secateur.choosing`); None gives all.
        varied: of the curves, also the rows of networks with a component drawn anew (see `secateur.varying`).

    Returns:
        One row a measurement, sorted by its columns from left to right; `samples_per_class` is text.

    Raises:
        SecateurError: unreadable file, missing column, a share outside [0, 1] or missing, or a row that occurs twice.
    """
    path = Path(tables_dir) / f"{name}.parquet"
    advice = f"Remove the folder {tables_dir} and run again."
    table = tablefile.read(path, advice)
    table = with_defaults(table, name)
    missing = [column for column in COLUMNS[name] if column not in table.columns]
    if missing:
        raise SecateurError(
            f"{path}: without the column(s) {', '.join(missing)}; needed are {', '.join(COLUMNS[name])}. {advice}"
        )
    table = table[COLUMNS[name]].copy()
    if "samples_per_class" in table:
        table["samples_per_class"] = table["samples_per_class"].astype(str)
    if name == "curves":
        _check_curves(table, path)
    if numbered:
        table["line"] = np.arange(FIRST, FIRST + len(table))
    if "control" in table:
        table = table[table["control"] == control]
    for column, wanted in (("remedy", remedy), ("choice", choice)):
        if column in table and wanted is not None:
            table = table[table[column] == wanted]
    if "varied" in table and not varied:
        table = table[table["varied"] == ""]
    keys = [column for column in COLUMNS[name] if column in _KEYS and (name, column) != ("units", "group")]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)  # units stay in the order of execution


_KEYS = {*CURVE, "remedy", "choice", "shuffle", "rate", "filter_rate", "head_rate", "neuron_rate", "round", "group",
         "repeat", "dataset", "variant", "references", "steps", "model_seed", "repetition", "evaluated_on",
         "noise_sigma"}  # fmt: skip


def _check_curves(table: pd.DataFrame, path: Path) -> None:
    for column in SHARES:
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = ~values.between(0.0, 1.0)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise SecateurError(
                f"{path}: {column} is {table[column].iloc[row]} in row {row}; shares lie in [0, 1]. "
                "Run the branch that wrote it again."
            )
    point = [*CURVE, "control", "remedy", "choice", "shuffle", "varied", "rate"]
    twice = table.duplicated(point)
    if twice.any():
        again = table.loc[twice, point].iloc[0].to_dict()
        raise SecateurError(f"{path}: more than one row for {again}. Remove the curves and run again.")


def with_defaults(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table `name` of any run, also of one that was made before a column of `DEFAULTS` was there."""
    absent: dict[str, Any] = {key: value for key, value in DEFAULTS.get(name, {}).items() if key not in table.columns}
    return table.assign(**absent)


def optional(tables_dir: str | Path, name: str, numbered: bool = False, remedy: str | None = NONE) -> pd.DataFrame:
    """Like `read`, but an absent file is an empty table with the right columns (a run may leave the stage out)."""
    if not (Path(tables_dir) / f"{name}.parquet").exists():
        columns = [*COLUMNS[name], *(["line"] if numbered else [])]
        return pd.DataFrame({column: pd.Series(dtype="object") for column in columns})
    return read(tables_dir, name, numbered, remedy=remedy)


def in_order(samples_per_class: Iterable[str]) -> list[str]:
    """Distinct sample counts, smallest first; words such as "all" come last."""
    return sorted(set(samples_per_class), key=lambda text: (0, int(text), "") if text.isdigit() else (1, 0, text))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries, column → value."""
    return [{str(column): value for column, value in record.items()} for record in table.to_dict("records")]
