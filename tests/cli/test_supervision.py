"""A command whose process is ended by code of others says so and fails; Ctrl-C is a line, too."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

import secateur.models.small  # noqa: F401 (registers our own architectures with timm)
from secateur.config import REPOSITORY

LEAVES = {
    "crashes": "import ctypes; ctypes.string_at(0)",
    "becomes_another": "import os; os.execv('/bin/true', ['true'])",
    "waits": "import pathlib, time; pathlib.Path('waiting').touch(); time.sleep(3600)",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for split in ("train", "test"):
        for name in ("a", "b"):
            (folder / "images" / split / name).mkdir(parents=True)
            Image.effect_noise((16, 16), 80).convert("RGB").save(folder / "images" / split / name / "1.png")
    save_file(timm.create_model("vgg_small", num_classes=2).state_dict(), folder / "weights.safetensors")
    (folder / "criteria").mkdir()
    for name, body in LEAVES.items():
        (folder / "criteria" / f"{name}.py").write_text(f"def score(network):\n    {body}\n", encoding="utf-8")
    return folder


def started(work: Path, criterion: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-c", "from secateur.cli.server import main; main()", "prune", "--arch", "vgg_small",
        "--weights", "weights.safetensors", "--data", "images", "--size", "16", "--samples-per-class", "1",
        "--device", "cpu", "--rate", "0.3", "--criteria-path", "criteria", "--criterion", criterion, "--out", "out",
    ]  # fmt: skip
    path = {"PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.Popen(
        command, cwd=work, env=os.environ | path, stderr=subprocess.PIPE, text=True, process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a job in the background ignores
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("criterion", "words"),
    [
        ("crashes", "ended by signal 11 (Segmentation fault)"),
        ("becomes_another", "ended with exit code 0"),
    ],
)
def test_a_command_that_was_ended_fails_with_a_line(work, criterion, words):
    command = started(work, criterion)
    said = command.communicate()[1]
    assert command.returncode == 2
    assert said.strip().splitlines()[-1].startswith(f"error: secateur prune: its process {words}")
    assert not (work / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGKILL],
)
def test_a_command_that_is_told_to_end_leaves_no_process_and_no_traceback(work, number):
    (work / "waiting").unlink(missing_ok=True)
    command = started(work, "waits")
    while not (work / "waiting").exists():  # as long as a loaded machine takes
        assert command.poll() is None, command.communicate()[1]
        time.sleep(0.2)
    os.killpg(command.pid, number) if number == signal.SIGINT else command.send_signal(number)
    said = command.communicate()[1]  # its child holds the pipe: that it ends shows that the child did
    assert command.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert "Traceback" not in said and ("error: interrupted" in said) == (number == signal.SIGINT)
