"""A figure on its way to the page, and the statistics that figures and page read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from secateur.errors import SecateurError
from secateur.repair import NONE

BRANCHES = {"fewshot": "no retraining", "retrain": "with retraining"}
AXES = {
    "rate": ("rate", "filters"),
    "macs": ("macs_share", "multiply–adds (MACs)"),
    "params": ("params_share", "parameters"),
}
"""What curves are drawn against → (column of the curves table, what is removed in words)."""


class Drawing(NamedTuple):
    """One picture to be saved. Those of one section with the same caption are one figure of the page, its panels."""

    section: str
    name: tuple[str, ...]
    title: str
    caption: str
    figure: Any
    study: str = ""
    branch: str = ""
    samples: str = ""
    note: str = ""
    """What is so of this panel alone: n, how many test images."""


def setting(study: str, branch: str, samples: str) -> str:
    """The title of a panel about one study, branch and number of reference samples; what is "" is left out."""
    parts = (study, BRANCHES.get(branch, branch), samples_title(samples) if samples else "")
    return " · ".join(part for part in parts if part)


def counted(number: int, noun: str) -> str:
    """ "1 seed", "8 seeds", "2 studies"."""
    plural = noun if number == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def samples_title(samples: str) -> str:
    """A number of reference samples ("1", "10", "all") in words."""
    if samples == "all":
        return "all reference images"
    return f"{samples} reference image{'' if samples == '1' else 's'} per class" if samples.isdigit() else samples


def read_arrays(path: Path, what: str) -> dict[str, np.ndarray]:
    """The arrays of an archive (.npz); no pickle is opened.

    Raises:
        SecateurError: no such archive, cut short, or its checksums differ from its content.
    """
    try:
        with np.load(path, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files}
    except Exception as error:  # damaged, zipfile, zlib and NumPy have errors of their own
        raise SecateurError(f"{path}: not an archive of {what} ({error!r}). Remove it and run again.") from None


TEXTS = (
    "scope", "study", "where", "branch", "samples_per_class", "criterion", "control", "varied", "component", "note",
    "sentence", "alike", "reason", "against", "ordering", "pair", "source", "verdict_macs", "verdict_params",
    "verdict_worst_class", "verdict_holm",
)  # fmt: skip


def read_statistics(folder: Path, name: str, remedy: str | None = NONE) -> pd.DataFrame:
    """A table that the stage `statistics` wrote; text columns stay text, and empty text stays empty.

    Of a table with the column `remedy`, the rows of one remedy; None gives those of all.

    Raises:
        SecateurError: the file is missing or no CSV table.
    """
    path = folder / f"{name}.csv"
    if not path.exists():
        raise SecateurError(
            f"{path}: not a readable CSV table (there is no such file: an older version may have made this run). "
            f"Compute the statistics anew: secateur statistics, or remove {folder} and run the workflow again."
        )
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), float_precision="round_trip")
    except (OSError, ValueError) as error:
        advice = f"Remove the folder {folder} and run again."
        raise SecateurError(f"{path}: not a readable CSV table ({error}). {advice}") from None
    for column in set(TEXTS) & set(table.columns):
        table[column] = table[column].fillna("")
    if remedy is not None and "remedy" in table:
        table = table[table["remedy"] == remedy].reset_index(drop=True)
    return table


def chance(statistics: Path) -> dict[str, float]:
    """Study → accuracy of a network that guesses; {} for a run whose statistics do not say."""
    if not (statistics / "datasets.csv").exists():
        return {}
    table = read_statistics(statistics, "datasets")
    return {str(study): float(share) for study, share in zip(table["study"], table["chance"], strict=True)}
