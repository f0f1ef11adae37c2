"""Criteria in other languages: what a case holds, what is said about a wrong answer, and the Perl example."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from secateur.cli.commands import app
from secateur.config import REPOSITORY
from secateur.criteria import taylor
from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import outside, registry, scorefile
from secateur.ranking.network import Network
from secateur.ranking.rank import Scoring, rank


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(F.relu(self.two(F.relu(self.norm(self.one(x))))).mean((2, 3)))


INPUTS = torch.linspace(-1, 1, 5 * 36).reshape(5, 1, 6, 6).sin()
LABELS = torch.tensor([0, 1, 1, 0, 1])


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Small().eval()
    model.norm.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture
def network(model):
    return Network(model, ["one", "two"], INPUTS, LABELS, batch_size=2, groups=find_unit_groups(model, INPUTS[:1]))


def test_a_case_holds_the_network_its_samples_and_its_signals(network, model, tmp_path):
    outside.write_case(tmp_path, network)
    about = json.loads((tmp_path / "network.json").read_text())
    assert [(layer["name"], layer["channels"], layer["inputs"]) for layer in about["layers"]] == [
        ("one", 3, 9),
        ("two", 4, 27),
    ]
    assert about["units"][0] == {"name": "one", "kind": "filter", "size": 3, "channels": {"one": [[0], [1], [2]]}}
    assert (about["samples"], about["input_shape"]) == (5, [1, 6, 6])
    weights = load_file(tmp_path / "network.safetensors")
    assert torch.equal(weights["one/own_weight"], model.one.weight.detach().flatten(1))
    assert torch.equal(weights["one/weight"], network.weight("one"))
    assert torch.equal(weights["one/batch_norm_scale"], model.norm.weight.detach())
    assert "two/batch_norm_scale" not in weights
    samples = load_file(tmp_path / "samples.safetensors")
    assert torch.equal(samples["inputs"], INPUTS) and torch.equal(samples["labels"], LABELS)
    signals = load_file(tmp_path / "signals.safetensors")
    expected = torch.cat([batch["two"][1] for batch in network.gradients()])
    assert torch.equal(signals["two/gradients"], expected) and expected.shape == (5, 4, 4)


GOOD = "layer,channel,score\none,0,1\none,1,2e-3\none,2,-4\ntwo,0,0\ntwo,1,1\ntwo,2,2\ntwo,3,3\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("layer,channel,score", "layer;channel;score"), ["line 1", "layer,channel,score"]),
        (("one,1,2e-3", "one,1"), ["line 3", "2 cells"]),
        (("one,1,2e-3", "on,1,2"), ["line 3", "unknown layer 'on'", "one, two"]),
        (("one,1,2e-3", "one,3,2"), ["line 3", "channel '3'", "0 to 2"]),
        (("one,1,2e-3", "one,-1,2"), ["line 3", "channel '-1'"]),
        (("one,1,2e-3", "one,0,2"), ["line 3", "channel 0", "twice"]),
        (("one,1,2e-3", "one,1,nan"), ["line 3", "'nan'", "finite"]),
        (("one,1,2e-3", "one,1,much"), ["line 3", "'much'"]),
        (("two,3,3\n", ""), ["1 of 4 channels", "'two'", "the first is 3"]),
        ((GOOD, ""), ["line 1"]),
    ],
)
def test_a_wrong_answer_is_one_error_that_names_file_and_line(network, tmp_path, change, words):
    outside.write_case(tmp_path, network, (outside.NETWORK,))
    path = tmp_path / "mine.csv"
    path.write_text(GOOD, encoding="utf-8")
    scores = outside.read_scores(path, tmp_path / "network.json")
    assert scores["one"].tolist() == [1, 0.002, -4] and scores["two"].dtype == torch.float64
    assert CliRunner().invoke(app, ["scores", "check", str(path)]).stdout.endswith("7 scores in 2 layers\n")
    path.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(SecateurError) as caught:
        outside.read_scores(path, tmp_path / "network.json")
    assert all(word in str(caught.value) for word in ["mine.csv", *words])
    failed = CliRunner().invoke(app, ["scores", "check", str(path)])
    assert isinstance(failed.exception, SecateurError)


def test_a_whole_score_file_can_be_checked(tmp_path):
    path, one = tmp_path / "scores.safetensors", torch.ones(2, dtype=torch.float64)
    scorefile.write(path, {(0, "5"): {"conv1": one}, (1, "all"): {"conv1": one + 1}})
    assert "2 rankings of 2 units in 1 groups" in CliRunner().invoke(app, ["scores", "check", str(path)]).stdout
    refused = CliRunner().invoke(app, ["scores", "check", str(path), "--network", "network.json"]).exception
    assert isinstance(refused, SecateurError) and "Leave it out" in str(refused)
    for scores, words in [
        ({(0, "some"): {"conv1": one}}, "0/some/conv1"),
        ({("one", "5"): {"conv1": one}}, "one/5/conv1"),
        ({(0, "5"): {"conv1": one}, (0, "05"): {"conv1": one + 1}}, "0/05/conv1"),  # nobody would look for it
        ({(0, "5"): {"": one}}, "0/5/"),
        ({(0, "5"): {"conv1": one[None]}}, r"shape \(1, 2\)"),
        ({(0, "5"): {"conv1": one[:0]}}, r"shape \(0,\)"),
        ({(0, "5"): {"conv1": one, "conv2": one + 1}, (1, "5"): {"conv1": one + 2}}, "'conv2'"),
        ({(0, "5"): {"conv1": one.float()}}, "float32"),
        ({(0, "5"): {"conv1": one / 0}}, "infinity"),
        ({(0, "5"): {"conv1": one}, (1, "5"): {"conv1": torch.zeros(1).double()}}, "'conv1'"),
        ({}, "no ranking"),
    ]:
        scorefile.write(path, scores)
        with pytest.raises(SecateurError, match=words):
            scorefile.check(path)
    # Another program's file may say a name twice, which no library writes.
    entry = '"0/5/conv1":{"dtype":"F64","shape":[1],"data_offsets":[%d,%d]}'
    header = f"{{{entry % (0, 8)},{entry % (8, 16)}}}".encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(SecateurError, match="not a readable score file"):
        scorefile.check(path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("perl") is None, reason="no Perl on this machine")
def test_the_perl_example_ranks_as_the_built_in_criterion(network, model, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    criterion = registry.load("taylor_perl", ["examples"])
    assert (criterion.kind, criterion.normalisation, criterion.needs) == ("rule", "l2", registry.NEEDS)
    assert "Molchanov" in criterion.paper
    assert registry.describe("taylor_perl", ["examples"]).startswith("Taylor in Perl")
    found, expected = criterion.score(network), taylor.score(network)
    assert all(torch.allclose(found[layer], expected[layer], rtol=1e-12) for layer in network.layers)


@pytest.mark.slow
def test_a_rule_that_fails_says_what_it_said(network, model, tmp_path):
    (tmp_path / "broken.smk").write_text(
        '# Broken.\n\n\nrule broken:\n    input:\n        "{case}/network.json",\n'
        '    output:\n        "{case}/broken.csv",\n    shell:\n        "echo no such filter >&2; exit 3"\n',
        encoding="utf-8",
    )
    criterion = registry.load("broken", [tmp_path])
    assert criterion.needs == ()
    groups = find_unit_groups(model, INPUTS[:1])
    with pytest.raises(SecateurError, match=r"criterion 'broken' \(.*\): rule .*broken\.smk .*no such filter"):
        rank(model, groups, INPUTS, LABELS, Scoring(criterion))


def test_an_empty_line_of_a_table_of_scores_hides_none_behind_it(network, tmp_path):
    outside.write_case(tmp_path, network, (outside.NETWORK,))
    path = tmp_path / "mine.csv"
    path.write_text(GOOD.replace("one,1", "\none,1") + "\n", encoding="utf-8")
    scores = outside.read_scores(path, tmp_path / outside.NETWORK)
    assert scores["one"].tolist() == [1, 0.002, -4] and scores["two"].tolist() == [0, 1, 2, 3]
