"""Backbones from a file: what fits is taken over exactly, and what does not is listed; our own AlexNet among them."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from secateur import config as configuration
from secateur.errors import SecateurError
from secateur.models import backbones, build, weights
from secateur.provenance import origin
from secateur.pruning.masking import largest_difference
from secateur.pruning.removal import remove
from secateur.pruning.selection import select
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.rank import Scoring, rank

SHARED = Path(__file__).parents[3] / "shared" / "data"
RESIDUAL = {"architecture": "resnet18", "arguments": {"channels": [4, 8, 8, 8]}}
KEY = "backbones.a.weights"


def read(path, backbone=RESIDUAL):
    return backbones.published(backbone["architecture"], backbone["arguments"], {"file": str(path)}, KEY)


@pytest.fixture
def source():
    """Weights of a network for grey images and seven classes."""
    return build.create(RESIDUAL, 7, 1, seed=3).state_dict()


def test_a_file_with_any_head_and_channels_is_taken_over(source, tmp_path):
    halves = {f"module.{name}": value.half() if value.is_floating_point() else value for name, value in source.items()}
    torch.save({"state_dict": halves, "epoch": 3}, tmp_path / "w.pth")
    state, about = read(tmp_path / "w.pth")
    assert about["source"] == "file" and about["sha256"] == weights.sha256(tmp_path / "w.pth")
    assert all(torch.equal(state[name], source[name].half().to(source[name].dtype)) for name in source)
    assert state["fc.weight"].shape == (7, 8) and state["conv1.weight"].shape[1] == 1

    weights.save(tmp_path / "backbone.safetensors", {0: state})
    network = build.create(RESIDUAL, 3, 3, seed=5)
    head = network.fc.weight.clone()
    backbones.take_over(network, tmp_path / "backbone.safetensors")
    assert torch.equal(network.fc.weight, head)
    assert torch.equal(network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    grey = torch.rand(2, 1, 32, 32)
    alone = build.create(RESIDUAL, 7, 1, seed=0)
    alone.load_state_dict(state)
    features = [
        model.eval().forward_features(images)
        for model, images in ((alone, grey), (network, grey.expand(-1, 3, -1, -1)))
    ]
    assert torch.allclose(*features, atol=1e-5)


def test_a_file_without_a_head_is_enough(source, tmp_path):
    body = {name: value for name, value in source.items() if not name.startswith("fc.")}
    save_file(body, tmp_path / "w.safetensors")
    state, _ = read(tmp_path / "w.safetensors")
    assert all(torch.equal(state[name], body[name]) for name in body)


def test_what_does_not_fit_is_listed(source, tmp_path):
    changed = dict(source)
    del changed["bn1.bias"]
    changed["extra"] = torch.zeros(1)
    changed["layer1.0.conv1.weight"] = torch.zeros(5, 64, 3, 3)
    save_file(changed, tmp_path / "w.safetensors")
    with pytest.raises(SecateurError) as caught:
        read(tmp_path / "w.safetensors")
    said = str(caught.value)
    for words in (
        KEY,
        "w.safetensors",
        "missing bn1.bias (64,)",
        "surplus extra (1,)",
        "(5, 64, 3, 3), not (4, 64, 3, 3)",
        "resnet18",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("hub", {"hub": "main"}),
        ("hub@0123abc", {"hub": "0123abc"}),
        ("hub@", {"file": "hub@"}),
        ("some/hub@1.pth", {"file": "some/hub@1.pth"}),
        ({"pretrain": "digits_source"}, {"pretrain": "digits_source"}),
    ],
)
def test_a_source_in_words_is_a_mapping(given, source):
    assert build.weights_source(given) == source


def test_the_config_says_what_is_wrong_with_a_source(tmp_path):
    import yaml

    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    for found, words in (
        ("nowhere.safetensors", "no file 'nowhere.safetensors'.*hub@<revision>"),
        ({"pretrian": "digits_source"}, "unknown key 'pretrian'.*Did you mean 'pretrain'"),
        ({"file": "a", "hub": "b"}, "weights"),
        ({}, "weights"),
    ):
        given["backbones"]["vgg_small"]["weights"] = found
        with pytest.raises(SecateurError, match=rf"backbones\.vgg_small\.weights.*{words}|{words}"):
            configuration.resolve(given)
    given["backbones"]["vgg_small"]["weights"] = "hub"
    resolved = configuration.resolve(given)
    assert (
        resolved["backbones"]["vgg_small"]["weights"] == {"hub": "main"} and configuration.resolve(resolved) == resolved
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason="the weights of a real network are not part of the project")
def test_real_weights(tmp_path):
    state, _ = read(SHARED / "resnet18-tinyimagenet64.safetensors", {"architecture": "resnet18", "arguments": {}})
    assert state["fc.weight"].shape == (200, 512) and state["conv1.weight"].dtype == torch.float32


def test_the_report_says_where_weights_came_from():
    hub = {"source": "hub", "architecture": "resnet18", "repository": "timm/resnet18.a1_in1k", "revision": "1" * 40}
    assert origin(hub | {"sha256": "a" * 64}) == (
        f"resnet18 from timm/resnet18.a1_in1k at {'1' * 12} (SHA-256 {'a' * 16})"
    )
    own = {"source": "pretrain", "architecture": "vgg_small", "dataset": "digits_source", "accuracy": 0.98765}
    assert origin(own) == "vgg_small pretrained on digits_source (test accuracy 0.988)"
    file = {"source": "file", "architecture": "resnet18", "file": "w.pth", "sha256": "b" * 64}
    assert origin(file) == f"resnet18 from w.pth (SHA-256 {'b' * 16})"


ALEXNET = {"architecture": "alexnet", "arguments": {}}


def test_alexnet_is_torchvisions():
    with torch.random.fork_rng():
        theirs = torchvision.models.alexnet(num_classes=10).eval()
    ours = build.create(ALEXNET, 10, 3, 0).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
    build.reset_head(ours, 4, 0)
    assert ours(images).shape == (2, 4) and build.head_prefixes(ours) == ("classifier.6.",)
    with pytest.raises(SecateurError, match="alexnet"):
        build.check_architecture("alexnett", "backbones.a.architecture")


@pytest.mark.parametrize("criterion", ["lrp", "taylor"])
def test_alexnet_is_ranked_and_pruned_like_any_other(criterion):
    network = build.create(ALEXNET, 4, 1, 0).eval()
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(4, 1, 64, 64, generator=generator), torch.arange(4)
    groups = find_unit_groups(network, images[:1], "all")
    assert [group.size for group in groups] == [64, 192, 384, 256, 256, 4096, 4096]
    scores = rank(network, groups, images, labels, Scoring(registry.load(criterion)))
    selection = select(groups, scores, 0.5)
    pruned = remove(network, groups, selection)
    assert sum(map(len, selection.values())) == 4672
    assert largest_difference(network, pruned, groups, selection, images) < 1e-5
