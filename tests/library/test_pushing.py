"""`secateur push` and `secateur.load("hf-hub:…")`: the true client against a hub on this machine."""

import os
import subprocess
import sys

import pytest
import torch
from huggingface_hub import constants

import secateur
from secateur.portability.hub import push
from secateur.shipped import PACKAGE
from taking_hub import TOKEN, Hub, taking_hub


@pytest.fixture(scope="module")
def folder(model, images, labels, tmp_path_factory):
    pruned = secateur.prune(model, images, labels, rate=0.4)
    return secateur.save(pruned, tmp_path_factory.mktemp("pruned") / "narrow")


@pytest.fixture
def hub():
    with taking_hub() as taking:
        yield taking


def run(hub: Hub, tmp_path, *command, **variables):
    """A command of somebody whose only hub is this one."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(PACKAGE.parent),
    }  # fmt: skip
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(command, cwd=tmp_path, env=environment | variables, capture_output=True, text=True)


def secateur_command(hub, tmp_path, *arguments, **variables):
    call = "import sys; from secateur.cli.server import main; sys.argv[0] = 'secateur'; main()"
    return run(hub, tmp_path, sys.executable, "-c", call, *arguments, **variables)


@pytest.mark.slow
def test_a_folder_goes_to_the_hub_whole_and_comes_back_the_same(hub, folder, tmp_path, images):
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "load.cpython-311.pyc").write_bytes(b"no")
    done = secateur_command(hub, tmp_path, "push", str(folder), "me/narrow", "--private", "--message", "Half as large")
    assert done.returncode == 0, done.stderr
    assert f"{hub.address}/me/narrow" in done.stdout + done.stderr
    sent = hub.files["me/narrow"]
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {name: content for name, content in sent.items() if name != ".gitattributes"} == there
    assert hub.private == {"me/narrow": True} and hub.messages == ["Half as large"]
    script = (
        "import secateur, torch\n"
        'model = secateur.load("hf-hub:me/narrow")\n'
        "print(model.report.criterion)\n"
        'torch.save(model.state_dict(), "state.pt")\n'
    )
    back = run(hub, tmp_path, sys.executable, "-c", script)
    assert back.returncode == 0 and back.stdout == "lrp\n", back.stderr
    state = secateur.load(folder).state_dict()
    assert all(torch.equal(one, state[name]) for name, one in torch.load(tmp_path / "state.pt").items())


@pytest.mark.slow
def test_a_hub_that_refuses_ends_the_command_in_one_line(hub, folder, tmp_path):
    done = secateur_command(hub, tmp_path, "push", str(folder), "me/a", HF_TOKEN="wrong")
    assert done.returncode == 2 and "the hub did not take" in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert not hub.files.get("me/a")


def test_what_cannot_be_sent_is_one_clear_error(hub, folder, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name, value in [
        ("ENDPOINT", hub.address),
        ("HF_HUB_CACHE", str(tmp_path / "cache")),
        ("HF_HUB_OFFLINE", False),
    ]:
        monkeypatch.setattr(constants, name, value)
    with pytest.raises(secateur.SecateurError, match="hf-hub:me/nowhere: cannot be fetched from the hub"):
        secateur.load("hf-hub:me/nowhere")
    assert any("me/nowhere" in request for request in hub.requests)
    for sent, repository, changed, message in [
        (tmp_path / "empty", "me/a", {}, "holds no network.json"),
        (folder, "no name!", {}, "is no name of a repository"),
        (folder, "me/a", {"HF_HUB_OFFLINE": True}, "the hub did not take .*offline"),
        (folder, "me/a", {"HF_HUB_OFFLINE": False, "ENDPOINT": "http://127.0.0.1:9"}, "did not take .*refused"),
    ]:
        for name, value in changed.items():
            monkeypatch.setattr(constants, name, value)
        with pytest.raises(secateur.SecateurError, match=message):
            push(sent, repository)
    assert not hub.files.get("me/a")
