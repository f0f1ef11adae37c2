"""What ranking, repair and the pruned networks take: each timed beside its references, in the same process."""

import dataclasses
import time

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from tests.branches.residual_study import opened

from secateur.branches.cost import cost
from secateur.branches.fewshot import fewshot
from secateur.branches.latency import latency
from secateur.branches.ranking import rank_study
from secateur.pruning.removal import remove
from secateur.pruning.selection import select
from secateur.ranking import scorefile
from secateur.ranking.network import Network


def test_cost_times_every_criterion_beside_its_references(residual_study, tmp_path):
    study, _ = opened(residual_study)
    cost(study, 0, tmp_path / "cost.parquet")
    table = pd.read_parquet(tmp_path / "cost.parquet")
    table = table[table["remedy"] == "none"]
    assert set(table["criterion"]) == {"weight", "taylor", "lrp", "random", "taylor_once"}
    assert (table["ratio_to_gradient"] == table["seconds"] / table["gradient_seconds"]).all()
    peaks = table.groupby("criterion")["peak_bytes"].first()
    assert peaks["random"] < table["gradient_peak_bytes"].iloc[0] <= peaks["taylor"]


def test_a_criterion_that_takes_long_has_fewer_repeats(residual_study, tmp_path, monkeypatch):
    study, _ = opened(residual_study)
    study = dataclasses.replace(study, config=study.config | {"cost": {"samples": 4, "repeats": 3}})
    took = iter(range(1000))

    def seconds(work, on):
        work()
        return float(next(took))

    monkeypatch.setattr("secateur.branches.cost.profiling.seconds", seconds)
    monkeypatch.setattr("secateur.branches.cost.LONG", 20.0)
    cost(study, 0, tmp_path / "cost.parquet")
    table = pd.read_parquet(tmp_path / "cost.parquet")
    for name, mine in table.groupby(["criterion", "remedy"]):
        mine = mine.sort_values("repeat")
        expected = 3 if not name[0] else 1 + sum(mine["seconds"].cumsum() < 20)
        assert mine["repeat"].tolist() == list(range(min(expected, 3))), name
    assert {1, 2, 3} >= set(table.groupby("criterion")["repeat"].nunique()) >= {2, 3}


def test_cost_times_every_remedy_beside_the_same_references(residual_study, tmp_path):
    """On the networks of the tiny config, whose remedies are bias and least_squares."""
    study, _ = opened(residual_study)
    cost(study, 0, tmp_path / "cost.parquet")
    table = pd.read_parquet(tmp_path / "cost.parquet")
    repairs = table[table["remedy"] != "none"]
    repeats = study.config["cost"]["repeats"]
    assert repairs.groupby("remedy").size().to_dict() == {"bias": repeats, "least_squares": repeats}
    assert (repairs["criterion"] == "").all() and (table.loc[table["remedy"] == "none", "criterion"] != "").all()
    assert (repairs[["seconds", "forward_seconds", "peak_bytes"]] > 0).all().all()
    both = table.groupby("repeat")[["forward_seconds", "gradient_seconds"]].nunique()
    assert (both == 1).all().all(), "a repair is held against the passes of its own repeat"


@pytest.mark.slow
def test_building_the_view_of_the_network_is_no_part_of_what_ranking_costs(residual_study, tmp_path, monkeypatch):
    """A view that takes a second to build: only the column for it is longer, of criteria as of the gradient."""
    study, _ = opened(residual_study)

    def slow(*arguments, **options):
        time.sleep(1)
        return Network(*arguments, **options)

    monkeypatch.setattr("secateur.branches.cost.Network", slow)
    config = study.config | {"cost": {"samples": 4, "repeats": 1}}
    cost(dataclasses.replace(study, config=config), 0, tmp_path / "cost.parquet")
    table = pd.read_parquet(tmp_path / "cost.parquet")
    assert (table["view_seconds"] > 1).all()
    assert (table["seconds"] < 1).all() and (table["gradient_seconds"] < 1).all()


def test_latency_measures_the_networks_of_the_fewshot_branch(residual_study, tmp_path):
    study, samples = opened(residual_study)
    names = ["weight", "lrp"]
    rankings = {name: tmp_path / f"{name}.safetensors" for name in names}
    for name, path in rankings.items():
        rank_study(study, name, range(1), samples, path)
    latency(study, 0, rankings, tmp_path / "latency.parquet")
    table = pd.read_parquet(tmp_path / "latency.parquet")
    assert len(table) == 2 * 2 * 2  # criteria, rates with 0, batch sizes
    assert (table[table["rate"] == 0]["speed_up"] == 1).all() and (table[table["rate"] == 0]["disk_share"] == 1).all()
    assert (table["seconds_lower"] <= table["seconds"]).all() and (table["seconds"] <= table["seconds_upper"]).all()
    assert (table["runs"] == 3).all()
    for name, path in rankings.items():
        fewshot(study, name, range(1), path, tmp_path / "c.parquet", tmp_path / "p.parquet")
        curves = pd.read_parquet(tmp_path / "c.parquet")
        curve = curves[(curves["rate"] == 0.5) & (curves["samples_per_class"] == "2")].iloc[0]
        rows = table[(table["criterion"] == name) & (table["rate"] == 0.5)]
        for column in ("params", "macs", "params_share", "macs_share"):
            assert (rows[column] == curve[column]).all()
        scores = scorefile.read(path, 0, "2", {group.name: group.size for group in study.groups})
        pruned = remove(study.model(0), study.groups, select(study.groups, scores, 0.5))
        save_file({key: value.contiguous() for key, value in pruned.state_dict().items()}, tmp_path / "own.safetensors")
        assert (rows["disk_bytes"] == (tmp_path / "own.safetensors").stat().st_size).all()


def test_speed_up_is_a_ratio_of_the_table_s_own_seconds(residual_study, tmp_path):
    study, samples = opened(residual_study)
    rank_study(study, "weight", range(1), samples, tmp_path / "w.safetensors")
    torch.set_num_threads(1)
    latency(study, 0, {"weight": tmp_path / "w.safetensors"}, tmp_path / "latency.parquet")
    table = pd.read_parquet(tmp_path / "latency.parquet").set_index(["rate", "batch"])
    for batch in (1, 4):
        ratio = table.loc[(0.0, batch), "seconds"] / table.loc[(0.5, batch), "seconds"]
        assert table.loc[(0.5, batch), "speed_up"] == pytest.approx(ratio)
