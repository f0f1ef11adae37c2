"""Classifiers that are studied as they were published: outputs by order and by name, and what cannot be matched."""

import copy

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from secateur import config as configuration
from secateur.data import store
from secateur.errors import SecateurError
from secateur.models import backbones, build, transfer, weights
from secateur.models.weights import read_checkpoint

ENTRY = {"architecture": "vgg_small", "arguments": {}}


@pytest.fixture
def classifier():
    return build.create(ENTRY, 4, 1, seed=3).eval()


@pytest.fixture
def file(classifier, tmp_path):
    weights.save(tmp_path / "backbone.safetensors", {0: classifier.state_dict()})
    return tmp_path / "backbone.safetensors"


def config(**backbone):
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    resolved = configuration.resolve(given)
    resolved["backbones"]["vgg_small"] |= backbone
    resolved["studies"]["digits_vgg"]["head"] = "keep"
    return resolved


def dataset(*names):
    images, labels = np.zeros((2, 16, 16, 1), np.uint8), np.zeros(2, np.int64)
    return store.Dataset("few", names, images, labels, images, labels, (0.5,), (0.5,))


def published(resolved, data, file):
    network = backbones.fresh(resolved, "vgg_small", data)
    network.load_state_dict(transfer.as_published(resolved, "digits_vgg", data, file))
    return network.eval()


IMAGES = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_as_many_classes_are_taken_in_their_order(classifier, file):
    found = published(config(), dataset("a", "b", "c", "d"), file)
    assert torch.allclose(found(IMAGES), classifier(IMAGES), atol=1e-6)


def test_named_outputs_are_found_by_name_and_others_left_out(classifier, file):
    found = published(config(classes=["cat", "dog", "ship", "frog"]), dataset("frog", "cat"), file)
    assert torch.allclose(found(IMAGES), classifier(IMAGES)[:, [3, 0]], atol=1e-6)
    assert not torch.allclose(found(IMAGES), classifier(IMAGES)[:, [0, 3]], atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "names", "words"),
    [
        ({}, ("a", "b"), r"studies\.digits_vgg\.head: keep: the classifier has 4 outputs and few has 2 classes"),
        ({"classes": ["a", "b"]}, ("a",), r"backbones\.vgg_small\.classes: 2 names for the 4 outputs"),
        ({"classes": ["a", "b", "c", "d"]}, ("a", "e"), r"no output of the classifier is 'e'.*has a, b, c, d"),
    ],
)
def test_classes_that_do_not_match_are_one_error(file, backbone, names, words):
    with pytest.raises(SecateurError, match=words):
        transfer.as_published(config(**backbone), "digits_vgg", dataset(*names), file)


def test_images_of_other_channels_are_one_error(file):
    images = np.zeros((2, 16, 16, 3), np.uint8)
    data = store.Dataset("few", tuple("abcd"), images, np.zeros(2), images, np.zeros(2), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(SecateurError, match=r"keep: the weights in .*do not fit.*channels that it was trained on"):
        transfer.as_published(config(), "digits_vgg", data, file)


def test_the_config_says_when_classes_cannot_be_those_of_the_source():
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["studies"]["digits_vgg"]["head"] = "keep"
    with pytest.raises(SecateurError, match=r"digits_vgg\.head: keep, but backbone 'vgg_small' is pretrained on"):
        configuration.resolve(given)
    given["studies"]["digits_vgg"]["head"] = "kept"
    with pytest.raises(SecateurError, match=r"digits_vgg\.head: 'kept' is not allowed; allowed are fresh, keep"):
        configuration.resolve(given)


def normed():
    return build.create({"architecture": "vgg_bn_small", "arguments": {}}, 4, 1, seed=3)


@pytest.mark.parametrize(
    ("change", "tolerated"),
    [
        (lambda state: state, []),
        (lambda state: {f"module.{name}": value for name, value in state.items()}, ["names begin with 'module.'"]),
        (lambda state: {f"0/{name}": value for name, value in state.items()}, ["names begin with '0/'"]),
        (
            lambda state: {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
            ["numbers are float16"],
        ),
        (
            lambda state: {name: value for name, value in state.items() if "num_batches" not in name},
            ["batch-norms have no num_batches_tracked"],
        ),
    ],
)
def test_what_is_passed_over_in_weights_of_others_is_named(tmp_path, change, tolerated):
    network = normed()
    save_file(change(network.state_dict()), tmp_path / "w.safetensors")
    state, about = backbones.published("vgg_bn_small", {}, {"file": str(tmp_path / "w.safetensors")}, "key")
    assert about["tolerated"] == tolerated
    assert all(torch.allclose(state[name], value, atol=1e-3) for name, value in network.state_dict().items())


def test_a_state_dict_under_a_key_is_found_and_half_of_the_counters_are_not_made_up(tmp_path):
    network = normed()
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "w.pth")
    assert read_checkpoint(tmp_path / "w.pth", "key").tolerated == ["the state dict is under the key 'state_dict'"]
    partly = copy.copy(network.state_dict())
    del partly[next(name for name in partly if "num_batches" in name)]
    save_file(partly, tmp_path / "w.safetensors")
    with pytest.raises(SecateurError, match=r"missing features\..*num_batches_tracked \(\)"):
        backbones.published("vgg_bn_small", {}, {"file": str(tmp_path / "w.safetensors")}, "key")
