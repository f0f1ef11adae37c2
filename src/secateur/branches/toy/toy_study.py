"""One call of the 2-D study: a dataset, settings, criteria and the run's seed, and what follows from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from secateur.branches.toy import draws, mlp
from secateur.branches.toy.settings import Settings, ToyCriterion, read_criteria, read_settings, target_and_steps
from secateur.data import checksums, points
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.seeds import derive

ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


@dataclass(frozen=True)
class EvaluationSet:
    """Samples to evaluate on: the training set ("train") or unseen ones ("unseen") with extra noise `noise_sigma`."""

    evaluated_on: str
    noise_sigma: float
    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ToyStudy:
    """`name` of the dataset, its arrays (keys as ARRAYS), and what is to be done with it."""

    name: str
    arrays: dict[str, np.ndarray]
    settings: Settings
    criteria: list[ToyCriterion]
    run_seed: int

    def seed(self, *names: str | int) -> int:
        """Seed of one of the study's own random streams."""
        return derive(self.run_seed, "toy", self.name, *names)

    def tensor(self, key: str) -> Tensor:
        """One of the arrays as a tensor."""
        return torch.from_numpy(self.arrays[key])

    def models(self) -> list[tuple[str, str, int]]:
        """(kind of steps, variant, model seed) of every network."""
        settings = self.settings
        return [
            (kind, variant, seed)
            for kind in settings.steps
            for variant in (settings.variants if kind == "fitted" else settings.published_variants)
            for seed in range(settings.model_seeds)
        ]

    def references(self, kind: str) -> tuple[str, ...]:
        """Where the reference samples come from for networks trained with this kind of steps."""
        return self.settings.references if kind == "fitted" else self.settings.references[:1]

    def train(self, kind: str, variant: str, model_seed: int) -> nn.Sequential:
        """One trained network; equal seeds of the two variants start from the same weights and see the same batches."""
        target, steps = target_and_steps(self.name, self.settings, kind)
        inputs, labels = self.tensor("train_inputs"), self.tensor("train_labels")
        seed = self.seed("model", model_seed)
        return mlp.train(inputs, labels, points.CLASSES[self.name], variant, seed, target, steps, self.settings.hidden)

    def draw_counts(self, references: str) -> dict[int, int]:
        """Samples per class → number of draws that the main table, the curves and the pictures need."""
        settings = self.settings
        counts = dict.fromkeys(settings.samples_per_class, settings.draws(references))
        if settings.rates and settings.is_first(references):
            few = settings.curve_samples_per_class
            counts[few] = max(counts.get(few, 0), settings.curve_repetitions)
        counts.setdefault(settings.boundary_samples_per_class, 1)
        return dict(sorted(counts.items()))

    def pools(self, references: str, counts: dict[int, int]) -> Iterator[draws.Pool]:
        """The draws of reference samples (`counts`: samples per class → draws), "generated" or from "training"."""
        if references == "generated":
            yield from draws.generated(self.name, counts, self.run_seed)
        else:
            inputs, labels = self.arrays["train_inputs"], self.arrays["train_labels"]
            yield draws.from_training(self.name, inputs, labels, counts, self.run_seed)

    def evaluation_sets(self, sigmas: Sequence[float]) -> list[EvaluationSet]:
        """The training set, then the unseen samples once for each standard deviation in `sigmas`."""
        sets = [EvaluationSet("train", 0.0, self.tensor("train_inputs"), self.tensor("train_labels"))]
        inputs, labels = self.arrays["test_inputs"], self.arrays["test_labels"]
        # The samples are ordered along the curves: an evenly spaced part stands for all of them.
        count = min(self.settings.unseen_samples, len(labels))
        chosen = np.arange(count) * len(labels) // count
        for sigma in sigmas:
            generator = np.random.default_rng(self.seed("noise", repr(float(sigma))))
            noisy = inputs[chosen] + sigma * generator.standard_normal((count, 2))
            sets.append(
                EvaluationSet(
                    "unseen", float(sigma), torch.from_numpy(noisy.astype(np.float32)), torch.from_numpy(labels[chosen])
                )
            )
        return sets


def read(
    dataset_dir: str | Path,
    settings: Mapping[str, Any],
    criteria: Sequence[str | Mapping[str, Any]],
    run_seed: int,
) -> ToyStudy:
    """The study of the dataset in `dataset_dir`; settings and criteria checked.

    Raises:
        SecateurError: unreadable or unknown dataset, or a wrong setting or criterion.
    """
    chosen = read_settings(settings)
    loaded = read_criteria(criteria, chosen.criteria_path)
    folder = Path(dataset_dir)
    checksums.check(folder)
    name = str(read_json(folder / "dataset.json").get("name"))
    if name not in points.CLASSES:
        raise SecateurError(f"{folder}: dataset {name!r} is not one of the 2-D study's: {', '.join(points.CLASSES)}.")
    try:
        arrays = {key: np.load(folder / f"{key}.npy") for key in ARRAYS}
    except (OSError, ValueError) as error:
        raise SecateurError(f"{folder}: not a readable dataset ({error}). Remove it and run again.") from None
    return ToyStudy(name, arrays, chosen, loaded, run_seed)
