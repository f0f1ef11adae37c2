"""The 2-D sets: their shapes, their independence, their very bytes."""

import hashlib

import numpy as np
import pytest
from sklearn.datasets import make_circles, make_moons

from secateur.data import points
from secateur.errors import SecateurError


@pytest.mark.parametrize("name", points.CLASSES)
def test_shapes_types_and_balance(name: str) -> None:
    made = points.make(name, 7, 5, seed=3)
    for split, samples in (("train", 7), ("test", 5)):
        inputs, labels = made[f"{split}_inputs"], made[f"{split}_labels"]
        assert inputs.dtype == np.float32 and inputs.shape == (samples * points.CLASSES[name], 2)
        assert labels.dtype == np.int64
        assert np.bincount(labels).tolist() == [samples] * points.CLASSES[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("moons", "f3cf0c58bf057992"),
        ("circles", "1fc3c9983cd11cd9"),
        ("spirals", "9fca9a45db841bb6"),
    ],
)
def test_bytes_are_the_same_on_every_machine(name: str, expected: str) -> None:
    made = points.make(name, 1000, 250, seed=0)
    digest = hashlib.sha256(b"".join(made[key].tobytes() for key in sorted(made))).hexdigest()
    assert digest[:16] == expected


def test_without_noise_the_curves_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(points.NOISE, "moons", 0.0)
    monkeypatch.setitem(points.NOISE, "circles", 0.0)
    expected, labels = make_moons(40, shuffle=False, noise=None)
    inputs, own_labels = points.draw("moons", 20, seed=1)
    np.testing.assert_allclose(inputs, expected, atol=1e-6)
    np.testing.assert_array_equal(own_labels, labels)
    expected, _ = make_circles(40, shuffle=False, noise=None, factor=points.CIRCLES_FACTOR)
    np.testing.assert_allclose(points.draw("circles", 20, seed=1)[0], expected, atol=1e-6)


def test_spirals_have_the_published_radius_and_angle() -> None:
    inputs, labels = points.draw("spirals", 400, seed=5)
    radius = np.hypot(*inputs.T)
    for arm in range(4):
        np.testing.assert_allclose(radius[labels == arm], np.linspace(0, 1, 400), atol=2e-6)
        own = inputs[labels == arm][50:]
        angle = np.arctan2(own[:, 0], own[:, 1])
        turned = np.angle(np.exp(1j * (angle - np.linspace(4 * arm, 4 * (arm + 1), 400)[50:])))
        assert abs(turned.mean()) < 0.05 and 0.17 < turned.std() < 0.23


def test_one_spiral_sample_is_the_origin_whatever_its_class() -> None:
    inputs, labels = points.draw("spirals", 1, seed=9)
    np.testing.assert_array_equal(inputs, np.zeros((4, 2), np.float32))
    assert labels.tolist() == [0, 1, 2, 3]


def test_splits_and_seeds_are_independent_draws() -> None:
    made, other = points.make("moons", 20, 20, seed=0), points.make("moons", 20, 20, seed=1)
    assert not np.array_equal(made["train_inputs"], made["test_inputs"])
    assert not np.array_equal(made["train_inputs"], other["train_inputs"])
    np.testing.assert_array_equal(made["train_inputs"], points.make("moons", 20, 99, seed=0)["train_inputs"])


@pytest.mark.parametrize(
    ("name", "samples", "part"), [("stars", 5, "moons, circles, spirals"), ("moons", 0, "at least 1")]
)
def test_bad_input_is_one_clear_error(name: str, samples: int, part: str) -> None:
    with pytest.raises(SecateurError, match=part):
        points.draw(name, samples, seed=0)
