"""The 2-D point sets of the toy study: moons, circles and four-arm spirals, the same bytes on every machine.

Sources: moons and circles follow the definitions of scikit-learn's `make_moons` and `make_circles`; the spirals
follow the authors' description (Yeom et al., Pattern Recognition 115, 2021): radius r = linspace(0, 1) and angle
θ = linspace(4j, 4(j + 1)) + 0.2·N(0, 1) for arm j. Along each curve the samples are *evenly spaced* and only the
noise is random; that matters for very small draws, see docs/toy.md.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from secateur.errors import SecateurError
from secateur.seeds import derive

CLASSES = {"moons": 2, "circles": 2, "spirals": 4}
"""Name of a set → its number of classes."""

NOISE = {"moons": 0.1, "circles": 0.1, "spirals": 0.2}
"""Standard deviation of the generators' own noise: of the coordinates (moons, circles) or of the angle (spirals)."""

CIRCLES_FACTOR = 0.3
"""Radius of the inner circle, the outer one's being 1."""

DECIMALS = 6
"""Coordinates are rounded to this many decimals: trigonometric functions differ in the last bit between machines."""


def draw(name: str, samples_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A fresh sample of the set `name`.

    Args:
        name: "moons", "circles" or "spirals".
        samples_per_class: at least 1.
        seed: of this draw, in [0, 2**63).

    Returns:
        Inputs, N × 2 float32 rounded to 6 decimals, and labels, N int64 in [0, classes), with
        N = classes × samples_per_class, ordered by class.

    Raises:
        SecateurError: unknown name, or fewer than one sample a class.
    """
    if name not in CLASSES:
        raise SecateurError(f"toy dataset: unknown name {name!r}; known are {', '.join(CLASSES)}.")
    if samples_per_class < 1:
        raise SecateurError(f"toy dataset {name}: samples per class is {samples_per_class}; at least 1 is needed.")
    generator = np.random.default_rng(seed)
    coordinates = _SHAPES[name](samples_per_class, generator)
    # Adding zero turns the −0.0 that rounding can leave into 0.0: equal numbers, equal bytes.
    inputs = (np.round(coordinates, DECIMALS) + 0.0).astype(np.float32)
    return inputs, np.repeat(np.arange(CLASSES[name], dtype=np.int64), samples_per_class)


def make(name: str, samples_per_class_train: int, samples_per_class_test: int, seed: int) -> dict[str, np.ndarray]:
    """Training and unseen samples of the set `name`, from independent streams.

    Returns:
        `train_inputs` and `test_inputs`, N × 2 float32; `train_labels` and `test_labels`, N int64; as `draw` says.

    Raises:
        SecateurError: unknown name, or fewer than one sample a class.
    """
    arrays = {}
    for split, samples in (("train", samples_per_class_train), ("test", samples_per_class_test)):
        inputs, labels = draw(name, samples, derive(seed, "points", name, split))
        arrays[f"{split}_inputs"] = inputs
        arrays[f"{split}_labels"] = labels
    return arrays


def _moons(samples: int, generator: Generator) -> np.ndarray:
    angle = np.linspace(0, np.pi, samples)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    lower = np.column_stack([1 - np.cos(angle), 0.5 - np.sin(angle)])
    clean = np.concatenate([upper, lower])
    return clean + NOISE["moons"] * generator.standard_normal(clean.shape)


def _circles(samples: int, generator: Generator) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, samples, endpoint=False)
    outer = np.column_stack([np.cos(angle), np.sin(angle)])
    clean = np.concatenate([outer, CIRCLES_FACTOR * outer])
    return clean + NOISE["circles"] * generator.standard_normal(clean.shape)


def _spirals(samples: int, generator: Generator) -> np.ndarray:
    radius = np.linspace(0, 1, samples)
    arms = []
    for arm in range(CLASSES["spirals"]):
        angle = np.linspace(4 * arm, 4 * (arm + 1), samples) + NOISE["spirals"] * generator.standard_normal(samples)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms)


_SHAPES: dict[str, Callable[[int, Generator], np.ndarray]] = {
    "moons": _moons,
    "circles": _circles,
    "spirals": _spirals,
}
