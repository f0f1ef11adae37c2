"""scikit-learn's handwritten digits as two tasks: some classes to pretrain on, the others to transfer to."""

import hashlib
from typing import Any

import numpy as np

from secateur.errors import SecateurError


def make(entry: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of the digits in `entry["classes"]`, split into train and test within every class.

    Returns:
        `train_inputs` and `test_inputs` (N × 8 × 8 × 1, uint8 in 0…255) and `train_labels` and `test_labels` (N,
        int64, positions in `entry["classes"]`). The split orders each class's images by a hash of their position
        in scikit-learn's file, so that it depends on no random generator.

    Raises:
        SecateurError: a class that is no digit.
    """
    if odd := [name for name in entry["classes"] if name not in list("0123456789")]:
        raise SecateurError(f"dataset of kind digits: its class {odd[0]!r} is none of '0' to '9'.")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    chosen: dict[str, list[int]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    for label, digit in enumerate(map(int, entry["classes"])):
        positions = sorted(np.flatnonzero(bunch.target == digit).tolist(), key=_order)
        test = round(len(positions) * entry["test_share"])
        for split, part in {"test": positions[:test], "train": positions[test:]}.items():
            chosen[split] += part
            labels[split] += [label] * len(part)
    return {f"{split}_inputs": images[chosen[split]] for split in chosen} | {
        f"{split}_labels": np.array(labels[split], np.int64) for split in labels
    }


def _order(position: int) -> str:
    return hashlib.sha256(f"digits {position}".encode()).hexdigest()
