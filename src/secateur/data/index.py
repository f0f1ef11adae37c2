"""Datasets of image files on disk: the files under images/, index.csv that orders them, and dataset.json."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from secateur.errors import SecateurError
from secateur.files import read_json, replacing, write_json

NAME = "index.csv"
COLUMNS = ["split", "label", "path"]
SPLITS = ("train", "test")
Row = tuple[str, int, str]
"""Split ("train" or "test"), label (position of the class) and path relative to the dataset's folder."""


def write(folder: Path, about: dict[str, Any], rows: Iterable[Row]) -> dict[str, list[int]]:
    """Write index.csv and dataset.json to `folder`; returns the number of images of each class, by split.

    Rows are put into the order of split (training first), label and path.

    Raises:
        SecateurError: a class has no image in one of the splits.
    """
    import pandas as pd

    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.assign(order=table["split"] == "test").sort_values(["order", "label", "path"], kind="stable")
    sizes = {}
    for split in SPLITS:
        labels = table.loc[table["split"] == split, "label"].to_numpy(np.int64)
        counts = np.bincount(labels, minlength=len(about["classes"]))
        missing = [name for name, count in zip(about["classes"], counts, strict=True) if not count]
        if missing:
            shown = ", ".join(missing[:10]) + (" and others" if len(missing) > 10 else "")
            raise SecateurError(
                f"dataset '{about['name']}': its {split} split has no image of the classes {shown}. Every class needs "
                "images in both splits; add them, or remove the class from the other split."
            )
        sizes[split] = counts.tolist()
    with replacing(folder / NAME) as temporary:
        table[COLUMNS].to_csv(temporary, index=False)
    write_json(folder / "dataset.json", about | {"class_sizes": sizes})
    return sizes


def read(folder: Path) -> tuple[dict[str, Any], dict[str, list[str]], dict[str, np.ndarray]]:
    """Facts of dataset.json, and by split the files (relative to `folder`) and their labels, in the index's order."""
    import pandas as pd

    about = read_json(folder / "dataset.json")
    try:
        table = pd.read_csv(folder / NAME, dtype={"split": str, "label": np.int64, "path": str}, keep_default_na=False)
        by_split = {split: table[table["split"] == split] for split in SPLITS}
    except (OSError, ValueError, KeyError) as error:
        raise SecateurError(
            f"{folder / NAME}: not a readable index ({error}). Remove {folder} and run again."
        ) from None
    files = {split: rows["path"].tolist() for split, rows in by_split.items()}
    return about, files, {split: rows["label"].to_numpy(copy=True) for split, rows in by_split.items()}
