"""Every block of commands or code in README and docs is run by a test, or the table says why it is not.

Here run: blocks of Python and configs, and the command lines that take no time. All command lines, whoever runs them,
are held against the subcommands and options that there are.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import typer
import yaml
from PIL import Image

import secateur
from blocks import PROGRAMS, RUN, Block, blocks, table
from secateur import runfolder
from secateur.cli.commands import app
from secateur.config import REPOSITORY, resolve

ALL = [block for block in blocks() if block.language in RUN]
TABLE = table()
TARGETS = set(re.findall(r"^([a-z./-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def run_by(word: str) -> list[Block]:
    return [block for block in ALL if TABLE.get((block.page, block.begins), {}).get("run") == word]


def name(block: Block) -> str:
    return f"{block.page}: {block.begins}"


def test_every_block_is_run_or_has_a_reason():
    there = {(block.page, block.begins) for block in ALL}
    assert there - set(TABLE) == set(), "not in blocks.yaml"
    assert set(TABLE) - there == set(), "in blocks.yaml, and no such block"
    for key, entry in TABLE.items():
        assert ("run" in entry) != ("not_run" in entry), key
        assert len(entry.get("not_run", "a reason of some words").split()) > 3, key


def test_no_command_stands_in_a_block_without_a_language():
    for block in blocks():
        if block.language == "":
            assert block.begins.split(" ")[0] not in PROGRAMS, name(block)


@pytest.mark.parametrize("key", [key for key, entry in TABLE.items() if "::" in entry.get("run", "")], ids=str)
def test_the_test_that_is_named_is_there_and_types_these_commands(key):
    path, _, test = TABLE[key]["run"].partition("::")
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    assert f"def {test}(" in text
    (block,) = [block for block in ALL if (block.page, block.begins) == key]
    helpers = "".join(each.read_text(encoding="utf-8") for each in (REPOSITORY / path).parent.glob("*.py"))
    for words in block.commands() if block.language == "sh" else []:
        if words[0] in ("secateur", "dvc", "snakemake"):
            typed = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word)][: 1 if words[0] == "secateur" else 0]
            for word in [words[0], *typed]:
                assert word in text + helpers, f"{path} does not type `{' '.join(words)}`"


@pytest.mark.parametrize(
    "key", [key for key, entry in TABLE.items() if "/" in (run := entry.get("run", "")) and "::" not in run], ids=str
)
def test_files_that_run_commands_hold_them(key):
    files = TABLE[key]["run"]
    text = "".join((REPOSITORY / file).read_text(encoding="utf-8") for file in files.split())
    (block,) = [block for block in ALL if (block.page, block.begins) == key]
    for words in block.commands():
        assert " ".join(words) in text, f"{files}: without `{' '.join(words)}`"


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "sh"], ids=name)
def test_every_command_line_has_subcommands_and_options_that_there_are(block):
    for words in block.commands():
        if words[0] == "make":
            assert all(word in TARGETS for word in words[1:] if "=" not in word), words
        if words[0] != "secateur":
            continue
        command, rest = typer.main.get_command(app), words[1:]
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
            known |= {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        assert not hasattr(command, "commands") or not rest or rest[0].startswith("-"), f"no subcommand: {words}"
        for word in rest:
            assert not word.startswith("--") or word.partition("=")[0] in known, f"no option {word}: {words}"


def test_a_command_that_there_is_not_is_found():
    for line in ("secateur comparr a b", "secateur prune --rates 0.3", "make demos"):
        with pytest.raises(AssertionError):
            test_every_command_line_has_subcommands_and_options_that_there_are(Block("page", "sh", line))


@pytest.mark.parametrize("block", [block for block in run_by("config") if block.language == "yaml"], ids=name)
def test_a_config_is_one(block, tmp_path, monkeypatch):
    """Put into the smallest config, as a reader would; criteria of one's own are written, paths are made."""
    monkeypatch.chdir(tmp_path)
    shown = yaml.safe_load(block.text)
    if isinstance(shown, list):
        shown = {"criteria": ["weight", *shown]}
    if "rule" in shown:
        shown = {"criteria": [{"name": "lrp_mixed", "criterion": "lrp", "options": shown}]}
    if "path" in (shown.get("datasets") or {}).get("leaves", {}):
        shown["datasets"]["leaves"]["path"] = str(tmp_path)
    for block in [block for block in run_by("config") if block.language == "python"]:  # files that configs name
        path = tmp_path / block.begins.removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    if "decompose" in shown:
        shown["fewshot"] = {"samples_per_class": shown["decompose"]["samples_per_class"]}
    for folder in shown.get("criteria_path", []):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text('"""Mine."""\n\n\ndef score(network):\n    return network.zeros()\n')
    smallest = yaml.safe_load((REPOSITORY / "config/minimal.yaml").read_text(encoding="utf-8"))
    small = smallest["backbones"]["vgg_small"]
    smallest["backbones"] |= {"resnet": small, "resnet_small": small}
    for key, value in shown.items():
        smallest[key] = smallest[key] | value if isinstance(smallest.get(key), dict) else value
    assert resolve(smallest)


def write_images(folder: Path) -> None:
    """Four small pictures in each of three folders."""
    for index in range(12):
        path = folder / "abc"[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 48), (20 * index, 90, 255 - 20 * index)).save(path)


def names_of_a_page() -> dict:
    """What pages take as given: a network, images with labels, and scores of its layers."""
    from secateur.pruning.units import find_unit_groups

    torch.manual_seed(0)
    model, images = timm.create_model("resnet18", num_classes=10), torch.randn(8, 3, 64, 64)
    producers = {layer for group in find_unit_groups(model, images[:1]) for layer, _ in group.producers}
    scores = {layer: torch.rand(len(model.get_submodule(layer).weight)) for layer in producers}
    given = {"model": model, "images": images, "labels": torch.arange(8) % 10, "layer_scores": scores}
    return given | {"secateur": secateur}


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in run_by("here")}))
def test_a_page_runs_as_it_stands(page, tmp_path, monkeypatch):
    """Block after block in a folder that `secateur init` wrote; pretrained weights are random, Snakemake only plans."""
    folder = tmp_path / "work"
    runfolder.write(folder, "minimal")
    monkeypatch.chdir(folder)
    write_images(folder / "images")
    made = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, pretrained=False, **k: made(*a, **({"num_classes": 3} | k)))
    names = names_of_a_page()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY / "src")}
    for block in [block for block in run_by("here") if block.page == page]:
        if block.language == "python":
            exec(compile(block.text, name(block), "exec"), names)  # noqa: S102 - the pages are ours
        elif block.language == "yaml":
            (folder / f"{yaml.safe_load(block.text)['run']}.yaml").write_text(block.text, encoding="utf-8")
        else:
            text = block.text.replace("snakemake ", "snakemake --dry-run --quiet rules ")
            done = subprocess.run(["bash", "-ec", text], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
