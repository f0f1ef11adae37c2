"""What a network decides over the plane, before and after pruning by each criterion: the data of the pictures."""

import numpy as np
import torch
from torch import Tensor, nn

from secateur.branches.toy.evaluate import HiddenLayers, layers_of, logits, prepare
from secateur.branches.toy.scoring import Scores, removals
from secateur.branches.toy.toy_study import ToyStudy

BATCH = 4000
MARGIN = 0.15
"""The grid reaches this far beyond the training samples."""


def grid(inputs: np.ndarray, longer_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of a grid around `inputs` (N × 2): equal spacing on both axes, `longer_side` points on one side."""
    low, high = inputs.min(axis=0) - MARGIN, inputs.max(axis=0) + MARGIN
    spacing = (high - low).max() / (longer_side - 1)
    count = np.floor((high - low) / spacing + 1e-6).astype(int) + 1
    x, y = (low[axis] + spacing * np.arange(count[axis]) for axis in (0, 1))
    return x.astype(np.float32), y.astype(np.float32)


def collect(
    study: ToyStudy, model: nn.Sequential, variant: str, references: str, scores: Scores
) -> dict[str, np.ndarray]:
    """Entries of the pictures' archive for one network, with the reference samples of repetition 0.

    Returns:
        `grid_x` (X), `grid_y` (Y), `train_inputs`, `train_labels`, `samples_per_class`;
        `<variant>/unpruned` and `<variant>/<references>/<criterion>`: predicted class at every grid point, Y × X uint8,
        each with `…/accuracy` on the training set, in [0, 1];
        `<variant>/<references>/reference_inputs` and `…/reference_labels`.
    """
    settings = study.settings
    x, y = grid(study.arrays["train_inputs"], settings.boundary_grid)
    plane = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
    samples = settings.boundary_samples_per_class
    pool = next(study.pools(references, {samples: 1}))
    members = pool.members[0][2]
    masks = {f"{variant}/unpruned": torch.zeros(settings.units, dtype=torch.bool)}
    for criterion in study.criteria:
        row = scores[criterion.name, samples, 0][None]
        masks[f"{variant}/{references}/{criterion.name}"] = removals(row, settings.removed)[0]
    arrays = {
        "grid_x": x,
        "grid_y": y,
        "train_inputs": study.arrays["train_inputs"],
        "train_labels": study.arrays["train_labels"],
        "samples_per_class": np.array(samples),
        f"{variant}/{references}/reference_inputs": pool.inputs[members].numpy(),
        f"{variant}/{references}/reference_labels": pool.labels[members].numpy(),
    }
    layers = layers_of(model)
    for key, removed in masks.items():
        right = _predicted(layers, study.arrays["train_inputs"], removed) == study.arrays["train_labels"]
        arrays[key] = _predicted(layers, plane, removed).astype(np.uint8).reshape(len(y), len(x))
        arrays[f"{key}/accuracy"] = np.array(right.mean())
    return arrays


def _predicted(layers: HiddenLayers, inputs: np.ndarray, removed: Tensor) -> np.ndarray:
    """Predicted classes of `inputs` (N × 2), a few thousand at a time: a plane has too many points for one batch."""
    predictions = []
    for part in torch.from_numpy(inputs).split(BATCH):
        prepared = prepare(layers, [(part, torch.zeros(len(part), dtype=torch.int64))])
        predictions.append(logits(prepared, removed).argmax(0))
    return torch.cat(predictions).numpy()
