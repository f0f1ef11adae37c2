"""What jobs tell each other changes no number, spares work where criteria agree, and is trusted only whole."""

import dataclasses
import math

import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import prepared
from torch import nn

from secateur import config as configuration
from secateur.branches import measurements, rounds, shared
from secateur.branches.fewshot import fewshot
from secateur.branches.grid import grid
from secateur.branches.ranking import rank_study
from secateur.branches.retrain import retrain
from secateur.branches.shared import Shared
from secateur.branches.study import open_study
from secateur.models import backbones, training, transfer

CPU = torch.device("cpu")
ROW = {"accuracy": 0.1 + 0.2, "loss": math.inf, "params": 7, "worst_class": "3"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seeds' task models, with three criteria of which two rank alike, and their score files."""
    folder = tmp_path_factory.mktemp("study")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["criteria"] = ["weight", {"name": "weight_too", "criterion": "weight"}, "weight_l2"]
    given.pop("toy")
    config = configuration.resolve(given)
    torch.set_num_threads(1)
    for name in ("digits_source", "digits_target"):
        prepared(name, folder)
    backbones.make(
        config, "vgg_small", folder / "digits_source", folder / "state", folder / "b.safetensors", folder / "b.json"
    )
    written = transfer.Transferred(folder / "models.safetensors", folder / "samples.csv", folder / "history.csv")
    begun, target = [folder / "b.safetensors"], folder / "digits_target"
    transfer.transfer(config, "digits_vgg", range(2), target, begun, folder / "state", written)
    for entry in config["criteria"]:
        rank_study(study_of((config, folder)), entry["name"], range(2), folder / "samples.csv", folder / entry["name"])
    return config, folder


def study_of(made, memory=None):
    config, folder = made
    return open_study(config, "digits_vgg", folder / "digits_target", folder / "models.safetensors", shared=memory)


def counting(monkeypatch, owner, name):
    """How often a function is called from now on, as the length of a list."""
    calls, original = [], getattr(owner, name)

    def counted(*arguments, **named):
        calls.append(1)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, counted)
    return calls


def few(study, criterion, folder, output):
    fewshot(study, criterion, range(2), folder / criterion, output / "c.parquet", output / "p.parquet")
    return (output / "c.parquet").read_bytes(), (output / "p.parquet").read_bytes()


def test_a_criterion_that_agrees_with_another_measures_nothing_and_its_tables_are_the_same(made, tmp_path, monkeypatch):
    measured = counting(monkeypatch, measurements, "measure")
    alone = few(study_of(made), "weight_too", made[1], tmp_path)
    each = len(measured)
    few(study_of(made, tmp_path / "memory"), "weight", made[1], tmp_path)
    assert len(measured) == 2 * each
    together = few(study_of(made, tmp_path / "memory"), "weight_too", made[1], tmp_path)
    # The unpruned networks are measured by each job that is not given their file.
    assert len(measured) == 2 * each + 2 and together == alone
    few(study_of(made, tmp_path / "memory"), "weight_l2", made[1], tmp_path)
    assert len(measured) > 2 * each + 4


def test_the_grid_is_shared_too(made, tmp_path, monkeypatch):
    measured = counting(monkeypatch, measurements, "measure")
    tables = []
    for criterion, memory in (("weight_too", None), ("weight", "memory"), ("weight_too", "memory")):
        opened = study_of(made, memory and tmp_path / memory)
        grid(opened, criterion, range(2), made[1] / criterion, tmp_path / "g.parquet")
        tables.append(((tmp_path / "g.parquet").read_bytes(), len(measured)))
    assert tables[0][0] == tables[2][0] and tables[1][0] != tables[2][0]
    assert tables[2][1] - tables[1][1] == 2 < tables[0][1]  # the unpruned ones


@pytest.mark.slow
def test_rounds_of_criteria_that_agree_are_trained_once_and_end_in_the_same_curves(made, tmp_path, monkeypatch):
    trained = counting(monkeypatch, training, "train")

    def curve(criterion, memory):
        output = tmp_path / "r.parquet"
        retrain(study_of(made, memory), criterion, range(2), made[1] / "samples.csv", tmp_path / "state", output)
        return output.read_bytes()

    alone, each = curve("weight_too", None), len(trained)
    assert each == 4  # seeds and rounds
    curve("weight", tmp_path / "memory")
    assert curve("weight_too", tmp_path / "memory") == alone
    assert len(trained) == 2 * each
    curve("weight_l2", tmp_path / "memory")
    assert len(trained) > 2 * each


def test_a_network_that_is_taken_over_is_the_trained_one_bit_for_bit(made, tmp_path):
    states = []
    for writer in ("one", "other"):
        study = study_of(made, tmp_path)
        model = study.model(0)
        memory = Shared(study.shared, writer, rounds.fingerprint_of(study), CPU)
        row = rounds.further_trained(study, model, 0, 1, "reestimate", memory)
        states.append((row, model.state_dict(), [tensor.stride() for tensor in model.state_dict().values()]))
        assert not model.training
    assert len(list((tmp_path / "networks").iterdir())) == 1
    assert states[0][0] == states[1][0] and states[0][2] == states[1][2]
    assert all(torch.equal(value, states[1][1][name]) for name, value in states[0][1].items())


def test_rows_come_back_as_they_were_and_only_under_the_same_name(tmp_path):
    one = Shared(tmp_path, "one", "hash", CPU)
    assert one.row([0, [["a", [1, 2]]]], lambda: ROW) == ROW
    one.tell()

    def never():
        raise AssertionError("computed again")

    other = Shared(tmp_path, "other", "hash", CPU)
    other.hear()
    found = other.row([0, [["a", [1, 2]]]], never)
    assert found == ROW and {name: type(value) for name, value in found.items()} == {k: type(v) for k, v in ROW.items()}
    for what in ([1, [["a", [1, 2]]]], [0, [["a", [1]]]], [0, [["b", [1, 2]]]]):
        with pytest.raises(AssertionError, match="again"):
            other.row(what, never)
    for elsewhere in (
        Shared(tmp_path, "third", "another hash", CPU),
        Shared(tmp_path, "third", "hash", CPU),
        Shared(None, "third", "hash", CPU),
    ):
        if elsewhere.folder is not None and elsewhere._base.startswith("hash"):
            elsewhere._base += ", of another machine"
        elsewhere.hear()
        with pytest.raises(AssertionError, match="again"):
            elsewhere.row([0, [["a", [1, 2]]]], never)


def test_selections_have_one_name_however_they_are_written():
    assert shared.same({"b": [2, 1], "a": [], "c": []}) == shared.same({"c": [], "b": [1, 2]}) == [["b", [1, 2]]]


@pytest.mark.parametrize("harm", ["cut", "foreign"])
def test_damaged_files_are_as_good_as_none(tmp_path, capsys, harm):
    one = Shared(tmp_path, "one", "hash", CPU)
    one.row(["x"], lambda: ROW)
    one.tell()
    network = nn.Linear(2, 2)
    one.trained(network, [0], lambda: ROW)
    rows, kept = tmp_path / "one.parquet", next((tmp_path / "networks").iterdir())
    for path in (rows, kept):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"x")
    other, calls = Shared(tmp_path, "other", "hash", CPU), []
    other.hear()
    assert other.row(["x"], lambda: calls.append(1) or ROW) == ROW
    other.trained(network, [0], lambda: calls.append(1) or ROW)
    assert len(calls) == 2 and capsys.readouterr().err.count("It is not used") == 2


@pytest.mark.parametrize("part", ["", "networks"])
def test_what_another_job_is_just_writing_is_left_alone(tmp_path, capsys, monkeypatch, part):
    unfinished = tmp_path / part / (".theirs.parquet.x1y2z3w4.parquet" if not part else ".theirs.abcdefgh.safetensors")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(b"half of it")
    monkeypatch.setattr(shared, "NETWORKS_BYTES", 4 * 8 * 3 + 1)  # one network, so that room is made for a second
    memory = Shared(tmp_path, "mine", "", CPU)
    memory.hear()
    for seed in (1, 2):
        torch.manual_seed(seed)
        memory.trained(nn.Linear(2, 1), ["round"], dict)
    assert unfinished.read_bytes() == b"half of it"
    assert not capsys.readouterr().err


def test_a_flipped_bit_is_never_believed(tmp_path):
    one = Shared(tmp_path, "one", "hash", CPU)
    one.row(["x"], lambda: ROW)
    one.tell()
    whole, seen = (tmp_path / "one.parquet").read_bytes(), set()
    for place in range(3, len(whole), 61):
        content = bytearray(whole)
        content[place] ^= 8
        (tmp_path / "one.parquet").write_bytes(bytes(content))
        other = Shared(tmp_path, "other", "hash", CPU)
        other.hear()
        found = other.row(["x"], lambda: {"accuracy": -1.0})
        assert found in (ROW, {"accuracy": -1.0})
        seen.add(found["accuracy"])
    assert seen == {ROW["accuracy"], -1.0}


def test_the_memory_of_networks_is_bounded(tmp_path, monkeypatch):
    network = nn.Linear(10, 10)
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    monkeypatch.setattr(shared, "NETWORKS_BYTES", 6 * size)
    one = Shared(tmp_path, "one", "hash", CPU)
    for number in range(20):
        one.trained(network, [number], lambda: ROW)
        assert sum(path.stat().st_size for path in (tmp_path / "networks").iterdir()) <= 8 * size
    calls = []
    one.trained(network, [19], lambda: calls.append(1) or ROW)  # the last is there
    one.trained(network, [0], lambda: calls.append(1) or ROW)  # the first has gone
    assert len(calls) == 1
    monkeypatch.setattr(shared, "NETWORKS_BYTES", 3 * size)
    kept = len(list((tmp_path / "networks").iterdir()))
    one.trained(network, [77], lambda: ROW)
    assert len(list((tmp_path / "networks").iterdir())) == kept


def test_what_a_row_depends_on_is_in_its_name(made, tmp_path):
    study = study_of(made)
    names = {rounds.fingerprint_of(study)}
    changed = study.dataset.test_labels.copy()
    changed[0] = (changed[0] + 1) % 5
    names.add(
        rounds.fingerprint_of(
            dataclasses.replace(study, dataset=dataclasses.replace(study.dataset, test_labels=changed))
        )
    )
    names.add(rounds.fingerprint_of(dataclasses.replace(study, config=study.config | {"run_seed": 7})))
    other = tmp_path / "models.safetensors"
    other.write_bytes(study.models.read_bytes() + b" ")
    names.add(rounds.fingerprint_of(dataclasses.replace(study, models=other)))
    assert len(names) == 4


def test_a_table_of_rows_is_one_that_others_can_read(tmp_path):
    one = Shared(tmp_path, "one", "hash", CPU)
    one.tell()
    assert not list(tmp_path.iterdir())
    one.row(["x"], lambda: ROW)
    one.tell()
    assert list(pd.read_parquet(tmp_path / "one.parquet")) == ["key", *ROW]


def test_networks_that_fit_are_kept_beside_each_other(tmp_path, monkeypatch):
    network, calls = nn.Linear(10, 10), []
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    monkeypatch.setattr(shared, "NETWORKS_BYTES", 20 * size)
    one = Shared(tmp_path, "one", "hash", CPU)
    for number in (*range(5), *range(5)):
        one.trained(network, [number], lambda: calls.append(1) or ROW)
    assert len(calls) == 5
