"""Generated command lines, score files and criteria: a result or one line of error, never a traceback."""

import contextlib
import shutil
from pathlib import Path

import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from tests.criteria import networks
from tests.hostile import odd, run, share

from secateur import tensorfile
from secateur.cli.commands import app
from secateur.config import REPOSITORY
from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.rank import Scoring, rank

TINY = REPOSITORY / "tests/workflow/tiny.yaml"
ENDLESS = {("report", "serve")}
"""Commands that end when they are told to."""


def commands(group=None, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[str]]:
    """Words of every subcommand → its options."""
    group = group or typer.main.get_command(app)
    if not hasattr(group, "commands"):
        return {path: [name for parameter in group.params for name in parameter.opts if name.startswith("-")]}
    return {
        words: options
        for name, each in group.commands.items()
        for words, options in commands(each, (*path, name)).items()
    }


COMMANDS = {words: options for words, options in sorted(commands().items()) if words not in ENDLESS}
# Whoever runs this may write anywhere, and a command writes where it is told: no value leads out of the folder.
PLAIN = st.text(st.characters(exclude_characters="/~.\0", exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(
    st.sampled_from(
        [
            "tiny.yaml",
            "missing.yaml",
            "file",
            "folder",
            "weights.safetensors",
            "weight",
            "lrp",
            "digits_vgg",
            "vgg_small",
        ]
    ),
    st.sampled_from(
        ["digits_target", "0-1", "1-0", "0", "-1", "2.0", "1e999", "nan", "inf", "-inf", "1.3", "9" * 40, "٣"]
    ),
    st.sampled_from(
        ["cpu", "cuda:7", "mps", "meta", "cuda:", "all", "1,2", "~nouser/x", "", "--", "-", "a" * 5000, "a\nb"]
    ),
    PLAIN,
)


@st.composite
def command_line(draw: st.DrawFn) -> list[str]:
    """A subcommand with some of its options or others, of plausible or odd values, and words of no option."""
    words = draw(st.sampled_from(list(COMMANDS)))
    line = list(words)
    for _ in range(draw(st.integers(0, 7))):
        match draw(st.sampled_from(["own", "own", "own", "word", "other"])):
            case "own" if COMMANDS[words]:
                line += [draw(st.sampled_from(COMMANDS[words])), draw(VALUES)]
            case "other":
                line.append("--" + draw(PLAIN))
            case _:
                line.append(draw(VALUES))
    return line


@share(30)
@given(line=command_line())
def test_command_lines(inside, line):
    for path in inside.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(TINY, "tiny.yaml")
    Path("folder/sub").mkdir(parents=True)
    Path("file").write_bytes(b"\0no text")
    tensorfile.write("weights.safetensors", {"0/1/conv": torch.arange(4, dtype=torch.float64)})
    run(*line)


VALUE = st.one_of(st.floats(), st.integers(-3, 3).map(float))
TENSOR = st.builds(
    lambda values, kind, shape: torch.tensor(values).to(kind).reshape(shape),
    st.lists(VALUE, min_size=4, max_size=4),
    st.sampled_from(
        [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
    ),
    st.sampled_from([(4,), (2, 2), (4, 1), (1, 4)]),
)
NAME = st.one_of(
    st.sampled_from(["0/1/conv", "0/all/conv", "1/1/conv", "conv", "0//conv", "/", "x/1/conv", "0/1/"]), PLAIN
)
CELL = st.one_of(VALUE.map(str), st.integers(-2, 9).map(str), st.sampled_from(["conv", "", '"', "1e999", "0x1"]), PLAIN)


@share(10)
@given(tensors=st.dictionaries(NAME, TENSOR, max_size=4), about=st.one_of(st.none(), odd))
def test_score_files_of_other_names_kinds_and_shapes(inside, tensors, about):
    with contextlib.suppress(ValueError):  # of what is no JSON
        tensorfile.write("s.safetensors", tensors, about)
    run("scores", "check", "s.safetensors")


@share(10)
@given(header=st.one_of(st.just("layer,channel,score"), PLAIN), rows=st.lists(st.lists(CELL, max_size=4), max_size=4))
def test_tables_of_scores_of_other_cells(inside, header, rows):
    Path("network.json").write_text('{"layers": [{"name": "conv", "channels": 2, "inputs": 3}]}', encoding="utf-8")
    Path("s.csv").write_text("\n".join([header, *(",".join(row) for row in rows)]), encoding="utf-8", newline="")
    run("scores", "check", "s.csv")


RESULTS = st.sampled_from(
    [
        "network.weight(layer).abs().flatten(1).sum(1)", "network.weight(layer)", "torch.zeros(size)", "[1] * size",
        "torch.full((size,), math.nan)", "torch.full((size,), math.inf)", "torch.zeros(size, device='meta')", "None",
        "torch.zeros(size).to_sparse()", "torch.zeros(size, dtype=torch.complex64)", "'a' * size", "[[1], [1, 2]]",
        "torch.zeros(size + 1)", "torch.zeros(size, 1)", "torch.zeros(0)", "object()", "{0: 1}", "[10 ** 400] * size",
        "torch.ones(size, dtype=torch.bool)", "torch.nested.nested_tensor([torch.ones(size)])", "range(size)",
        "torch.quantize_per_tensor(torch.ones(size), 0.1, 0, torch.qint8)", "torch.rand(size, requires_grad=True)",
        "network.nothing", "1 / 0", "iter([1] * size)", "Odd()", "network.bias(layer)",
        "next(network.outputs())[layer]",
    ]
)  # fmt: skip
BEFORE = st.sampled_from(
    [
        "pass", "raise ValueError('a\\nb')", "raise KeyError", "raise Odd()", "raise SystemExit(0)",
        "import sys; sys.exit()", "import os; os._exit(0)", "raise StopIteration", "raise GeneratorExit",
        "raise MemoryError", "raise RecursionError", "assert False", "return", "return 3", "return {}",
        "return {1: 2}", "yield 1", "import nothing_of_that_name", "f = lambda: f(); f()", "network.layers.clear()",
        "network.weight(network.layers[0]).zero_()", "torch.manual_seed(1)", "torch.set_grad_enabled(False)",
        "raise BaseException", "raise ExceptionGroup('a', [ValueError()])", "del network",
    ]
)  # fmt: skip
TOP = st.sampled_from(
    [
        "", "", "NEEDS = ()", "NEEDS = ('samples', 'labels')", "NEEDS = 'samples'", "NEEDS = 3", "NEEDS = ('what',)",
        "NEEDS = ['gradients']", "NORMALISATION = 'sum'", "NORMALISATION = None", "NORMALISATION = []", "PAPER = 3",
        "COMBINE = 'max'", "COMBINE = 7", "raise ValueError", "raise SystemExit(0)", "import os; os._exit(0)", "(",
        "\\x00", "score = 3", "del score", "def score(): pass", "def score(network, other): pass",
        "async def score(network): pass", "from secateur import nothing", "import nothing_of_that_name",
        "score = lambda network: {}", "__name__ = 3",
    ]
)  # fmt: skip
SOURCE = '''"""One of many."""

import math

import torch


class Odd(Exception):
    def __str__(self):
        raise ValueError

    __repr__ = __str__


def score(network, *, option={option}):
    {before}
    scores = {{}}
    for layer in network.layers:
        size = len(network.weight(layer))
        scores[{key}] = {result}
    return {returned}


{top}
'''


@share(10)
@given(
    parts=st.fixed_dictionaries(
        {
            "option": st.sampled_from(["1", "None", "[]", "object()", "float('nan')"]),
            "before": st.one_of(st.just("pass"), BEFORE),
            "key": st.sampled_from(["layer", "layer", "layer", "0", "None", "layer + 'x'", "network"]),
            "result": RESULTS,
            "returned": st.sampled_from(["scores", "scores", "scores", "[scores]", "scores.items()", "Odd()"]),
            "top": TOP,
        }
    ),
    options=st.one_of(st.just({}), st.dictionaries(st.sampled_from(["option", "other", "network"]), odd, max_size=1)),
)
def test_criteria(tmp_path_factory, parts, options):
    folder = tmp_path_factory.mktemp("criteria")
    text = SOURCE.format(**parts)
    (folder / "mine.py").write_text(text, encoding="utf-8")
    model, samples = networks.built(), networks.samples()
    groups = find_unit_groups(model, samples[:1])
    try:
        criterion = registry.load("mine", [folder])
        scores = rank(model, groups, samples, networks.LABELS, Scoring(criterion, 1, options))
    except SecateurError as error:
        assert "mine" in str(error), f"{error}\n{text}"
    else:
        assert {name: len(each) for name, each in scores.items()} == {group.name: group.size for group in groups}
    finally:
        torch.set_grad_enabled(True)
        shutil.rmtree(folder)
