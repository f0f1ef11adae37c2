"""Architectures of one's own: a plain function in a file, one that registers with timm, torchvision's, and mistakes."""

import copy
import zlib
from importlib.metadata import EntryPoint

import pytest
import timm
import torch

from secateur.errors import SecateurError
from secateur.models import build, own
from secateur.models.transforms import transform_of

PLAIN = """
from torch import nn

IMAGES = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "crop_pct": 1.0}


class Net(nn.Module):
    def __init__(self, classes, channels, width):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.top = nn.ModuleDict({"out": nn.Linear(width, classes)})

    def forward(self, images):
        return self.top["out"](self.body(images))


def NAME(num_classes, in_chans, width=6):
    return Net(num_classes, in_chans, width)
"""
REGISTERED = """
from timm.models import register_model
from torch import nn


@register_model
def NAME(num_classes=2, in_chans=3, **_):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * 16, num_classes))
"""


@pytest.fixture(autouse=True)
def forgotten():
    """Other tests know of no folder, and of no network that timm knows from here."""
    before = set(timm.list_models())
    yield
    build.search([])
    for name in set(timm.list_models()) - before:
        del timm.models._registry._model_entrypoints[name]
        del timm.models._registry._model_to_module[name]


@pytest.fixture
def brought(tmp_path):
    """A function that writes a file of a folder, and lets architectures be found there."""

    def write(text, name):
        (tmp_path / f"{name}.py").write_text(text.replace("NAME", name), encoding="utf-8")
        build.search([tmp_path])
        return tmp_path / f"{name}.py"

    return write


def entry(name, **arguments):
    return {"architecture": name, "arguments": arguments}


def test_a_plain_function_becomes_a_network_whose_last_linear_layer_is_its_head(brought):
    path = brought(PLAIN, "plain_net")
    build.check_architecture("plain_net", "backbones.a.architecture")
    assert build.file_of("plain_net") == path
    network = build.create(entry("plain_net", width=5), 4, 1, seed=0)
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 4)
    assert network.get_classifier() is network.top["out"] and build.head_prefixes(network) == ("top.out.",)
    other = copy.deepcopy(network)
    build.reset_head(other, 7, seed=0)
    assert other(torch.zeros(1, 1, 8, 8)).shape == (1, 7) and network.top["out"].out_features == 4
    assert {name: value.shape for name, value in network.state_dict().items()}["body.0.weight"] == (5, 1, 3, 3)


def test_its_seed_decides_its_weights(brought):
    brought(PLAIN, "seeded_net")
    one, same, other = (build.create(entry("seeded_net"), 2, 3, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["body.0.weight"], other["body.0.weight"])


def test_what_its_images_are_is_said_in_its_file(brought):
    brought(PLAIN, "toned_net")
    found = transform_of("toned_net", 16, "rgb")
    assert (found.mean, found.std, found.crop_pct) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 1.0)


def test_a_file_may_register_with_timm(brought):
    path = brought(REGISTERED, "registered_net")
    assert own.registered(path) == ["registered_net"]
    assert build.create(entry("registered_net"), 3, 1, seed=0)(torch.zeros(1, 1, 4, 4)).shape == (1, 3)


def test_a_file_that_is_not_used_is_not_run(brought, tmp_path):
    brought(PLAIN, "used_net")
    (tmp_path / "broken_net.py").write_text("raise RuntimeError('never')\n", encoding="utf-8")
    (tmp_path / "_helper.py").write_text("raise RuntimeError('never')\n", encoding="utf-8")
    build.search([tmp_path])
    assert build.create(entry("used_net"), 2, 1, seed=0) is not None
    assert build.behind("_helper") is None and build.behind("resnet18") is None


def test_an_installed_package_may_bring_one(monkeypatch, tmp_path):
    (tmp_path / "brought_by_package.py").write_text(PLAIN.replace("NAME", "packaged_net"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("packaged_net", "brought_by_package", own.GROUP)]
    monkeypatch.setattr(own.importlib.metadata, "entry_points", lambda group: points if group == own.GROUP else [])
    build.search([])
    assert build.behind("packaged_net").module == "brought_by_package"
    assert build.create(entry("packaged_net"), 2, 3, seed=0)(torch.zeros(1, 3, 8, 8)).shape == (1, 2)
    points[:] = [EntryPoint("packaged_net", "nowhere_at_all", own.GROUP)]
    with pytest.raises(SecateurError, match=r"'packaged_net'.*'nowhere_at_all', which is no module"):
        build.search([])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_the_kind\n", r"wrong_net.*cannot be imported: No module named"),
        ("def other():\n    pass\n", r"defines no function wrong_net\(num_classes, in_chans"),
        ("def wrong_net(num_classes, in_chans):\n    raise ValueError('odd')\n", r"cannot be built.*odd"),
        (
            "from torch import nn\n\n\ndef wrong_net(num_classes, in_chans):\n    return nn.Linear(3, 99)\n",
            r"wrong_net has no get_classifier and no reset_classifier.*no linear one with 4 outputs",
        ),
    ],
)
def test_a_file_that_is_wrong_is_one_error_that_names_it(tmp_path, text, words):
    name = f"wrong_net_{zlib.crc32(text.encode())}"
    (tmp_path / f"{name}.py").write_text(text.replace("wrong_net", name), encoding="utf-8")
    build.search([tmp_path])
    with pytest.raises(SecateurError, match=words.replace("wrong_net", name)):
        build.create(entry(name), 4, 1, seed=0)


def test_names_that_clash_and_folders_that_are_not_there(tmp_path):
    with pytest.raises(SecateurError, match=r"architectures_path: folder '.*none' does not exist"):
        build.search([tmp_path / "none"])
    (tmp_path / "resnet18.py").write_text(PLAIN, encoding="utf-8")
    with pytest.raises(SecateurError, match="timm or Secateur has a 'resnet18'"):
        build.search([tmp_path])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twin_net.py").write_text(PLAIN, encoding="utf-8")
    with pytest.raises(SecateurError, match=r"'twin_net' is defined twice"):
        build.search([tmp_path / "one", tmp_path / "two"])


def test_torchvisions_networks_are_known_by_their_names():
    build.check_architecture("torchvision/resnet18", "backbones.a.architecture")
    network = build.create(entry("torchvision/resnet18"), 4, 3, seed=0)
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 4) and build.head_prefixes(network) == ("fc.",)
    with pytest.raises(SecateurError, match=r"torchvision/resnet18 sees colour images, not 1"):
        build.create(entry("torchvision/resnet18"), 4, 1, seed=0)
    with pytest.raises(SecateurError, match=r"torchvision has no architecture 'torchvision/resnet19'; the nearest are"):
        build.check_architecture("torchvision/resnet19", "backbones.a.architecture")
