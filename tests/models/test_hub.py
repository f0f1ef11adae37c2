"""Published weights: the true client against a hub on this machine, with network, without, and with what goes wrong."""

import json
import os
import subprocess
import sys

import huggingface_hub.constants
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file

from played_hub import COMMITS, played_hub
from secateur import config as configuration
from secateur.errors import SecateurError
from secateur.models import backbones, build, hub

TINY, REPOSITORY = "test_resnet", "timm/test_resnet.r160_in1k"
KEY = "backbones.a.weights"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A hub with two commits of a small network of timm's, and the weights of each."""
    folder = tmp_path_factory.mktemp("published")
    states = {}
    with played_hub() as played:
        for seed, commit in enumerate(COMMITS.values()):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                states[commit] = timm.create_model(TINY).state_dict()
            save_file(states[commit], folder / "model.safetensors")
            played.publish(REPOSITORY, commit, "model.safetensors", folder / "model.safetensors")
        yield played, states


def point_to(monkeypatch, address):
    """What HF_ENDPOINT does where it is set before the client is imported; see the last test."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template[template.index("/{repo_id}") :])


@pytest.fixture
def online(published, tmp_path, monkeypatch):
    """The client pointed to the played hub, with an empty cache."""
    played, _ = published
    played.requests.clear()
    point_to(monkeypatch, played.address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return published


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_main_is_the_newest_commit_and_the_record_pins_it(online):
    _, states = online
    state, about = hub.fetch(TINY, {}, "main", KEY)
    assert equal(state, states[COMMITS["second"]])
    assert about["revision"] == COMMITS["second"] and about["asked"] == "main" and about["repository"] == REPOSITORY
    assert about["file"] == "model.safetensors" and len(about["sha256"]) == 64


def test_a_pinned_commit_gives_its_own_bytes_and_needs_no_network_twice(online, monkeypatch):
    played, states = online
    for tag in (TINY, f"{TINY}.r160_in1k"):
        state, about = hub.fetch(tag, {}, COMMITS["first"], KEY)
        assert equal(state, states[COMMITS["first"]]) and about["revision"] == COMMITS["first"]
    asked = len(played.requests)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert equal(hub.fetch(TINY, {}, COMMITS["first"], KEY)[0], states[COMMITS["first"]])
    with pytest.raises(SecateurError, match=r"backbones.a.weights: .*not in the cache.*HF_HUB_OFFLINE is set"):
        hub.fetch(TINY, {}, COMMITS["second"], KEY)
    assert len(played.requests) == asked


@pytest.mark.parametrize(
    ("architecture", "settings", "revision", "words"),
    [
        (TINY, {}, "no-such-branch", "no such revision of test_resnet"),
        ("resnet18", {}, "main", "has no repository of resnet18, or asks for a token"),
        ("resnet18.nonsense", {}, "main", "nonsense"),
        ("vgg_small", {}, "main", "no published weights of vgg_small"),
        (TINY, {"channels": [8, 8, 8, 8]}, "main", "cannot be used.*size mismatch"),
        (TINY, {"width": 3}, "main", "cannot be used.*width"),
        ("alexnet", {}, "v2", "are the one file"),
    ],
)
def test_what_cannot_be_had_is_one_error(online, architecture, settings, revision, words):
    with pytest.raises(SecateurError, match=rf"^backbones.a.weights: .*{words}"):
        hub.fetch(architecture, settings, revision, KEY)


def test_a_hub_that_does_not_answer_and_damaged_weights(online, monkeypatch, tmp_path):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client waits between its five attempts
    point_to(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(SecateurError, match=r"not in the cache.*127\.0\.0\.1:9"):
        hub.fetch(TINY, {}, "main", KEY)
    played, _ = online
    played.revisions["timm/test_vit.r160_in1k"] = {"main": "3" * 40}
    played.files["timm/test_vit.r160_in1k", "3" * 40, "model.safetensors"] = b"<html>not weights</html>"
    point_to(monkeypatch, played.address)
    with pytest.raises(SecateurError, match="damaged"):
        hub.fetch("test_vit", {}, "main", KEY)


@pytest.mark.slow
def test_weights_at_an_address_of_their_own_are_checked_by_the_hash_in_their_name(online, monkeypatch, tmp_path):
    with torch.random.fork_rng():
        network = build.create({"architecture": "alexnet", "arguments": {}}, 1000, 3, 0)
    path = tmp_path / "torch" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SecateurError, match="HF_HUB_OFFLINE is set and .*alexnet-owt"):
        hub.fetch("alexnet", {}, "main", KEY)
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    with pytest.raises(SecateurError, match="damaged: its SHA-256 does not begin with 7be5be79"):
        hub.fetch("alexnet", {}, "main", KEY)
    monkeypatch.setattr(hub, "sha256", lambda _: "7be5be79" + "0" * 56)
    state, about = hub.fetch("alexnet", {}, "main", KEY)
    assert equal(state, network.state_dict()) and about["repository"].startswith("https://download.pytorch.org")


def test_a_grey_task_takes_over_the_sum_of_the_colours(online, tmp_path):
    _, states = online
    config = {"backbones": {"a": {"architecture": TINY, "arguments": {}, "weights": {"hub": "main"}}}}
    line = backbones.make(config, "a", None, tmp_path, tmp_path / "a.safetensors", tmp_path / "a.json")
    assert f"hub@{COMMITS['second']}" in line
    network = build.create(config["backbones"]["a"], 5, 1, 0)
    head = network.get_classifier().weight.clone()
    backbones.take_over(network, tmp_path / "a.safetensors")
    source = states[COMMITS["second"]]
    first = build.input_layers(network)[0]
    found = network.state_dict()[f"{first}.weight"]
    assert torch.allclose(found, source[f"{first}.weight"].sum(1, keepdim=True), atol=1e-6)
    assert torch.equal(network.get_classifier().weight, head)
    assert json.loads((tmp_path / "a.json").read_text())["revision"] == COMMITS["second"]


@pytest.mark.slow
def test_the_command_honours_the_clients_variables(published, tmp_path):
    played, _ = published
    config = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    config["backbones"]["vgg_small"] = {"architecture": TINY, "weights": f"hub@{COMMITS['first']}"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    words = [
        "--config",
        "config.yaml",
        "--backbone",
        "vgg_small",
        "--state",
        ".",
        "--output",
        "a.safetensors",
        "--about",
        "a.json",
    ]

    def command(**variables):
        environment = os.environ | {"HF_ENDPOINT": played.address, "HF_HOME": str(tmp_path / "home")} | variables
        program = "from secateur.cli.server import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, "backbone", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip

    done = command(HF_HUB_OFFLINE="1")
    assert done.returncode == 2 and "HF_HUB_OFFLINE is set" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a.safetensors").exists()
    assert command().returncode == 0
    assert json.loads((tmp_path / "a.json").read_text())["revision"] == COMMITS["first"]
