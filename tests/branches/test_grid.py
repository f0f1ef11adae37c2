"""The grid of filter and neuron rates: every cell is the network without exactly those units."""

import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import study_of

from secateur import config as configuration
from secateur.branches import measurements
from secateur.branches.grid import TYPES, grid
from secateur.branches.ranking import rank_study
from secateur.branches.study import open_study
from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.selection import select
from secateur.ranking import scorefile


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny study with two seeds, its table, and the folder with its score file."""
    folder = tmp_path_factory.mktemp("grid")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["training"] = {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}
    given["backbones"]["residual"] = {
        "architecture": "resnet18",
        "arguments": {"channels": [4, 4, 8, 8]},
        "size": 16,
        "weights": {"pretrain": "digits_source"},
    }
    given["studies"]["digits_residual"] = {"dataset": "digits_target", "backbone": "residual"}
    config = configuration.resolve(given)
    study, samples = study_of(config, 2, folder)
    rank_study(study, "lrp", range(2), samples, folder / "scores.safetensors")
    grid(study, "lrp", range(2), folder / "scores.safetensors", folder / "grid.parquet")
    return study, folder, pd.read_parquet(folder / "grid.parquet")


def cell(table, seed, filter_rate, neuron_rate):
    chosen = (table["filter_rate"] == filter_rate) & (table["neuron_rate"] == neuron_rate) & (table["seed"] == seed)
    (row,) = table[chosen].to_dict("records")
    return row


def test_there_is_one_row_a_seed_and_pair_of_rates_with_the_columns_of_the_contract(made):
    _, _, table = made
    assert list(table.columns) == list(TYPES)
    assert len(table) == 2 * 2 * 2 and set(table["samples_per_class"]) == {"2"}
    assert set(table["run"]) == {"tiny"} and set(table["criterion"]) == {"lrp"}


def test_nothing_removed_is_the_unpruned_network(made):
    study, _, table = made
    for seed in range(2):
        row = cell(table, seed, 0, 0)
        found = measurements.measure(study, study.model(seed))
        assert {key: row[key] for key in found} == found
        assert row["filters_removed"] == row["neurons_removed"] == 0
        assert row["params_share"] == row["macs_share"] == 1


def test_a_cell_is_the_network_with_the_lowest_of_each_kind_silent(made):
    study, folder, table = made
    model = study.model(1)
    sizes = {group.name: group.size for group in study.groups}
    scores = scorefile.read(folder / "scores.safetensors", 1, "2", sizes)
    selection = {}
    for kind in ("filter", "neuron"):
        selection |= select([group for group in study.groups if group.kind == kind], scores, 0.5)
    with torch.no_grad(), masked(model, study.groups, selection):
        logits = model(study.test_inputs[:])
    row = cell(table, 1, 0.5, 0.5)
    assert row["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, study.test_labels)), rel=1e-4)
    assert row["filters_removed"] + row["neurons_removed"] == sum(map(len, selection.values()))


def test_each_rate_removes_its_own_kind_only(made):
    _, _, table = made
    filters, neurons, both = (cell(table, 0, *rates) for rates in ((0.5, 0), (0, 0.5), (0.5, 0.5)))
    assert (filters["filters_removed"], filters["neurons_removed"]) == (filters["filters_total"] / 2, 0)
    assert (neurons["filters_removed"], neurons["neurons_removed"]) == (0, neurons["neurons_total"] / 2)
    assert both["params"] < min(filters["params"], neurons["params"])
    assert filters["macs_share"] < neurons["macs_share"] < 1


def test_a_network_without_neurons_gives_an_empty_table_with_the_same_columns(made, tmp_path, capsys):
    study, folder, table = made
    residual = open_study(study.config, "digits_residual", folder / "digits_target", tmp_path / "none.safetensors")
    grid(residual, "lrp", range(2), tmp_path / "none.safetensors", tmp_path / "grid.parquet")
    empty = pd.read_parquet(tmp_path / "grid.parquet")
    assert empty.empty and list(empty.columns) == list(table.columns)
    assert "digits_residual: skipped, as the network has no neurons to remove" in capsys.readouterr().err
    joined = pd.concat([empty, table], ignore_index=True)
    assert (joined.dtypes == table.dtypes).all()


def test_a_rate_out_of_reach_names_the_key(made, tmp_path):
    study, folder, _ = made
    changed = study.config | {"fewshot": study.config["fewshot"] | {"grid": {
        "filter_rates": [0], "neuron_rates": [0.999], "samples_per_class": 2}}}  # fmt: skip
    other = open_study(changed, "digits_vgg", folder / "digits_target", folder / "models.safetensors")
    with pytest.raises(SecateurError, match=r"fewshot\.grid\.neuron_rates, study 'digits_vgg': rate 0\.999"):
        grid(other, "lrp", range(1), folder / "scores.safetensors", tmp_path / "grid.parquet")
    assert not (tmp_path / "grid.parquet").exists()


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """A small ViT with rates for all three kinds of units, its table, and the folder with its score file."""
    folder = tmp_path_factory.mktemp("heads")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["training"] = {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}
    given["backbones"]["vgg_small"] = {
        "architecture": "vit_tiny_patch16_224",
        "arguments": {"img_size": 16, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 3},
        "size": 16,
        "weights": {"pretrain": "digits_source"},
    }
    given["fewshot"]["grid"]["head_rates"] = [0, 0.5]
    study, samples = study_of(configuration.resolve(given), 1, folder)
    rank_study(study, "lrp", range(1), samples, folder / "scores.safetensors")
    grid(study, "lrp", range(1), folder / "scores.safetensors", folder / "grid.parquet")
    return study, folder, pd.read_parquet(folder / "grid.parquet")


def test_a_transformer_has_a_grid_of_heads_and_neurons(transformer):
    study, folder, table = transformer
    assert list(table.columns) == list(TYPES) and len(table) == 2 * 2
    assert set(table["heads_total"]) == {6} and set(table["neurons_total"]) == {96} and not table["filters_total"].any()
    assert table[["filter_rate", "filters_removed"]].eq(0).all(axis=None)
    model = study.model(0)
    scores = scorefile.read(folder / "scores.safetensors", 0, "2", {group.name: group.size for group in study.groups})
    selection = {}
    for kind, rate in (("head", 0.5), ("neuron", 0.5)):
        selection |= select([group for group in study.groups if group.kind == kind], scores, rate)
    with torch.no_grad(), masked(model, study.groups, selection):
        logits = model(study.test_inputs[:])
    (row,) = table[(table["head_rate"] == 0.5) & (table["neuron_rate"] == 0.5)].to_dict("records")
    assert row["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, study.test_labels)), rel=1e-4)
    assert (row["heads_removed"], row["neurons_removed"]) == (3, 48)
    (whole,) = table[(table["head_rate"] == 0) & (table["neuron_rate"] == 0)].to_dict("records")
    assert whole["loss"] != pytest.approx(row["loss"]) and whole["params_share"] == 1 > row["params_share"]


def test_a_rate_that_would_leave_a_block_without_a_head_names_the_key_and_the_block(transformer, tmp_path):
    study, folder, _ = transformer
    rates = study.config["fewshot"]["grid"] | {"head_rates": [0.9]}
    changed = study.config | {"fewshot": study.config["fewshot"] | {"grid": rates}}
    other = open_study(changed, "digits_vgg", folder / "digits_target", folder / "models.safetensors")
    words = r"fewshot\.grid\.head_rates, study 'digits_vgg': rate 0\.9 .*only 4 may go .*blocks\.[01]\.attn\.qkv binds"
    with pytest.raises(SecateurError, match=words):
        grid(other, "lrp", range(1), folder / "scores.safetensors", tmp_path / "grid.parquet")
