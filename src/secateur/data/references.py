"""Reference samples: the labelled training samples that a criterion may look at."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from secateur.errors import SecateurError
from secateur.files import replacing

if TYPE_CHECKING:  # pandas is not needed to draw, and takes half a second to import
    import pandas as pd

ALL = "all"
"""The `samples_per_class` that stands for the whole training split."""
COLUMNS = ["seed", "label", "position", "index"]


def draw(labels: np.ndarray, most: int, seed: int) -> pd.DataFrame:
    """Draw `most` training samples of every class without replacement.

    Smaller sets are prefixes of larger ones: the reference samples for n per class are the rows with `position` < n,
    so that curves over n differ by the samples added, not by a fresh draw.

    Args:
        labels: N training labels.
        most: samples a class; no class may have fewer.
        seed: of this draw.

    Returns:
        One row a sample: `label`, `position` (0 … most − 1 within the class), `index` (into the training split).
    """
    import pandas as pd

    return pd.DataFrame(_rows(labels, most, seed), columns=["label", "position", "index"])


def chosen(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The samples that `draw` draws: positions among `labels`, ordered by class, then by draw (int64)."""
    return np.array([index for _, _, index in _rows(labels, most, seed)], dtype=np.int64)


def _rows(labels: np.ndarray, most: int, seed: int) -> list[tuple[int, int, int]]:
    """Label, position and index of every sample drawn."""
    if most < 1:
        raise SecateurError(f"samples_per_class: {most} is too small; at least 1 sample of each class is needed.")
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < most:
            raise SecateurError(
                f"samples_per_class: {most} reference samples asked for, but class {label} has "
                f"{len(members)} training samples."
            )
        order = np.argsort(generator.random(len(members)), kind="stable")[:most]
        rows += [(int(label), position, int(members[where])) for position, where in enumerate(order)]
    return rows


def write(path: str | Path, draws: dict[int, pd.DataFrame]) -> None:
    """Write the draws of several seeds as CSV: columns seed, label, position, index, and check, the row's CRC-32."""
    import pandas as pd

    table = pd.concat([rows.assign(seed=seed) for seed, rows in draws.items()])[COLUMNS]
    with replacing(path) as temporary:
        table.assign(check=_checksums(table)).to_csv(temporary, index=False)


def read(path: str | Path, seed: int, samples_per_class: str, labels: np.ndarray) -> np.ndarray:
    """Positions in the training split of the reference samples of one seed, ordered by class, then by draw.

    Args:
        path: CSV written by `write`.
        seed: which draw.
        samples_per_class: a number as text, or "all" for the whole training split.
        labels: N training labels, to check that the file belongs to this dataset.
    """
    if samples_per_class == ALL:
        return np.arange(len(labels))
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=dict.fromkeys([*COLUMNS, "check"], "int64"))
        if table["check"].tolist() != _checksums(table):
            raise ValueError("damaged, a row is not what was written")
        table = table[(table["seed"] == seed) & (table["position"] < int(samples_per_class))]
    except (OSError, ValueError, KeyError) as error:
        raise SecateurError(f"{path}: not a readable samples file ({error}). Remove it and run again.") from None
    index = table["index"].to_numpy(copy=True)
    expected = len(np.unique(labels)) * int(samples_per_class)
    inside = len(index) == expected and bool(((index >= 0) & (index < len(labels))).all())
    if not inside or not np.array_equal(labels[index], table["label"].to_numpy()):
        raise SecateurError(f"{path}: does not hold {expected} samples of seed {seed}. Remove it and run again.")
    return index


def _checksums(table: pd.DataFrame) -> list[int]:
    return [zlib.crc32(",".join(map(str, row)).encode()) for row in table[COLUMNS].itertuples(index=False, name=None)]


def asked_for(config: dict[str, Any]) -> list[int | str]:
    """Numbers of reference samples of each class that the branches of a run ask for."""
    branches = ("fewshot", "retrain") if config["retrain"]["run"] else ("fewshot",)
    return [count for branch in branches for count in config[branch]["samples_per_class"]]


def largest(samples_per_class: Iterable[str | int]) -> int:
    """The largest number among `samples_per_class` ("all" needs no draw); 0 where there is none."""
    return max((int(n) for n in samples_per_class if n != ALL), default=0)
