"""Training and test images divided anew: nothing is lost, mixed up or copied, and damage is still found."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.prepared import prepared

from secateur.data import checksums, store
from secateur.data.redivision import Pooled, redivide
from secateur.errors import SecateurError
from secateur.models import inputs

SPLITS = ("train", "test")


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> store.Dataset:
    return store.load(prepared("digits_target", tmp_path_factory.mktemp("data")))


def whole(dataset: store.Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    return getattr(dataset, f"{split}_inputs")[:], np.asarray(getattr(dataset, f"{split}_labels"))


def rows(dataset: store.Dataset) -> list[tuple[bytes, int]]:
    both = [pair for split in SPLITS for pair in zip(*whole(dataset, split), strict=True)]
    return sorted((image.tobytes(), int(label)) for image, label in both)


def test_every_image_is_there_once_with_its_label_and_classes_keep_their_sizes(given):
    divided = redivide(given, 7)
    assert rows(divided) == rows(given)
    for split in SPLITS:
        assert np.array_equal(np.bincount(whole(divided, split)[1]), np.bincount(whole(given, split)[1]))
    before = {image.tobytes() for image in whole(given, "train")[0]}
    moved = sum(image.tobytes() not in before for image in whole(divided, "train")[0])
    assert 0.4 < moved / len(divided.train_labels) < 0.6  # half of all images are for testing


def test_another_seed_is_another_division_and_the_same_one_is_the_same(given):
    assert np.array_equal(whole(redivide(given, 7), "test")[0], whole(redivide(given, 7), "test")[0])
    assert not np.array_equal(whole(redivide(given, 7), "test")[0], whole(redivide(given, 8), "test")[0])


def test_a_network_sees_the_images_of_its_division(given):
    divided, on, transform = redivide(given, 7), torch.device("cpu"), given.about["transform"]
    images = inputs.images(divided, "test", on)
    plain = inputs.Images(whole(divided, "test")[0], transform["mean"], transform["std"], on)
    assert torch.equal(images[:], plain[:]) and images.shape == plain.shape
    chosen = np.array([5, 0, 17])
    assert torch.equal(images.subset(chosen)[1:], plain[torch.from_numpy(chosen)][1:])
    assert torch.equal(torch.cat(list(images.split(100))), plain[:])


def test_a_damaged_image_is_found_in_whichever_split_it_is_now(given):
    broken = np.array(given.test_inputs)
    sums = np.array([checksums.of_image(image) for image in broken], np.uint32)
    broken[3] ^= 1
    checks = given.checks | {"test": checksums.CheckedImages(broken, sums, given.checks["test"]._path)}
    divided = redivide(dataclasses.replace(given, test_inputs=broken, checks=checks), 7)
    with pytest.raises(SecateurError, match=r"test_inputs.npy: image 3 is not what was written"):
        for split in SPLITS:
            inputs.images(divided, split, torch.device("cpu"))[:]


def test_pooled_rows_are_gathered_in_any_order():
    one, two = np.arange(6).reshape(3, 2), 10 + np.arange(4).reshape(2, 2)
    pooled = Pooled(one, two, np.array([4, 0, 3]))
    assert pooled.shape == (3, 2) and len(pooled) == 3 and pooled.nbytes == 3 * 2 * one.itemsize
    assert pooled[:].tolist() == [[12, 13], [0, 1], [10, 11]]
    assert pooled[np.array([2, 1])].tolist() == [[10, 11], [0, 1]]
