"""Reference samples of the 2-D study: which samples each repetition gives to the criteria."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from secateur.data import points
from secateur.data.references import draw
from secateur.seeds import derive

LARGEST_POOL = 2000
"""Samples whose signals are held in memory at once (about 25 MB a signal at 1,000 neurons a layer)."""


@dataclass(frozen=True)
class Pool:
    """Samples that share a pass through the network, and each repetition's samples among them.

    members: (samples per class, repetition, positions in the pool).
    """

    inputs: Tensor
    labels: Tensor
    members: list[tuple[int, int, Tensor]]


def generated(dataset: str, samples_per_class: dict[int, int], run_seed: int) -> Iterator[Pool]:
    """Pools of samples generated afresh for every repetition, evenly spaced along the curves as the authors' were.

    Args:
        dataset: "moons", "circles" or "spirals".
        samples_per_class: samples per class → number of repetitions.
        run_seed: the run's seed; a draw depends on it, the dataset, the number of samples and the repetition only.
    """
    for samples, repetitions in samples_per_class.items():
        size = samples * points.CLASSES[dataset]
        together = max(1, LARGEST_POOL // size)
        for start in range(0, repetitions, together):
            chosen = range(start, min(start + together, repetitions))
            drawn = [
                points.draw(dataset, samples, derive(run_seed, "toy", dataset, "generated", samples, repetition))
                for repetition in chosen
            ]
            yield Pool(
                torch.from_numpy(np.concatenate([inputs for inputs, _ in drawn])),
                torch.from_numpy(np.concatenate([labels for _, labels in drawn])),
                [
                    (samples, repetition, torch.arange(place * size, (place + 1) * size))
                    for place, repetition in enumerate(chosen)
                ],
            )


def from_training(
    dataset: str, inputs: np.ndarray, labels: np.ndarray, samples_per_class: dict[int, int], run_seed: int
) -> Pool:
    """One pool: the training set (N × 2, N), from which every repetition draws without replacement.

    Within a repetition, smaller sets are parts of larger ones.

    Raises:
        SecateurError: a class has fewer samples than are asked for.
    """
    members = []
    for repetition in range(max(samples_per_class.values())):
        rows = draw(labels, max(samples_per_class), derive(run_seed, "toy", dataset, "training", repetition))
        for samples, repetitions in samples_per_class.items():
            if repetition < repetitions:
                chosen = rows.loc[rows["position"] < samples, "index"].to_numpy()
                members.append((samples, repetition, torch.tensor(chosen)))
    return Pool(torch.from_numpy(inputs), torch.from_numpy(labels), members)
