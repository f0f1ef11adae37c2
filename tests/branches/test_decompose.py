"""Layer or filter: the networks of each choice are what the design says, and planted criteria are told apart."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import study_of

from secateur import choosing
from secateur import config as configuration
from secateur.branches import measurements
from secateur.branches.decomposition import decompose, drawn, first_of
from secateur.branches.fewshot import fewshot
from secateur.branches.ranking import rank_study
from secateur.branches.study import open_study
from secateur.errors import SecateurError
from secateur.pruning.removal import remove
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import UnitGroup
from secateur.ranking import scorefile


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny study with two seeds, its folder, and its curves of every choice."""
    folder = tmp_path_factory.mktemp("decomposition")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["training"] = {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}
    given["decompose"] = {"shuffles": 3}
    config = configuration.resolve(given)
    study, samples = study_of(config, 2, folder)
    rank_study(study, "lrp", range(2), samples, folder / "scores.safetensors")
    decompose(study, "lrp", range(2), folder / "scores.safetensors", folder / "curves.parquet")
    return study, folder, pd.read_parquet(folder / "curves.parquet")


def test_there_is_one_row_per_seed_sample_count_choice_shuffle_and_rate(made):
    _, _, curves = made
    keys = ["seed", "samples_per_class", "choice", "shuffle", "rate"]
    assert not curves.duplicated(keys).any()
    sizes = curves.groupby("choice")["shuffle"].agg(lambda drawn: sorted(set(drawn)))
    assert sizes.to_dict() == {choosing.EQUAL: [0], choosing.SHUFFLED: [1, 2, 3], choosing.EQUAL_SHUFFLED: [1, 2, 3]}
    assert len(curves) == 2 * 2 * 7 * 3 and set(curves["rate"]) == {0.0, 0.2, 0.5}
    assert set(curves["branch"]) == {"fewshot"} and set(curves["remedy"]) == {"none"}


def test_each_choice_removes_as_many_units_as_it_says_and_is_measured_on_that_network(made):
    study, folder, curves = made
    model, seed, rate = study.model(1), 1, 0.5
    scores = scorefile.read(folder / "scores.safetensors", seed, "2", {each.name: each.size for each in study.groups})
    own = select(study.groups, scores, rate)
    equal = select(study.groups, scores, rate, Selector("per-layer"))
    order = drawn(study, seed)[1]
    wanted = {
        (choosing.EQUAL, 0): equal,
        (choosing.SHUFFLED, 2): first_of(order, own),
        (choosing.EQUAL_SHUFFLED, 2): first_of(order, equal),
    }
    for (choice, shuffle), selection in wanted.items():
        like = own if choice == choosing.SHUFFLED else equal
        assert {name: len(units) for name, units in selection.items()} == {name: len(like[name]) for name in like}
        found = measurements.measure(study, remove(model, study.groups, selection))
        chosen = curves.query("seed == @seed and samples_per_class == '2' and rate == @rate")
        (row,) = chosen[(chosen["choice"] == choice) & (chosen["shuffle"] == shuffle)].to_dict("records")
        assert {key: row[key] for key in found} == found
        assert row["units_removed"] == sum(map(len, selection.values()))


def test_both_at_random_is_the_same_for_all_criteria_and_sample_counts(made, tmp_path):
    study, _, curves = made
    torch.manual_seed(0)
    scores = {
        (seed, samples): {group.name: torch.rand(group.size, dtype=torch.float64) for group in study.groups}
        for seed in range(2)
        for samples in ("1", "2")
    }
    scorefile.write(tmp_path / "other.safetensors", scores)
    decompose(study, "weight", range(2), tmp_path / "other.safetensors", tmp_path / "curves.parquet")
    other = pd.read_parquet(tmp_path / "curves.parquet")
    keys = ["seed", "samples_per_class", "shuffle", "rate", "loss", "params"]
    random, of_other = (
        each.loc[each["choice"] == choosing.EQUAL_SHUFFLED, keys].reset_index(drop=True) for each in (curves, other)
    )
    pd.testing.assert_frame_equal(random, of_other)
    by_samples = [part.drop(columns="samples_per_class").to_numpy() for _, part in random.groupby("samples_per_class")]
    assert np.array_equal(*by_samples)
    rest = curves["choice"] != choosing.EQUAL_SHUFFLED
    assert not np.array_equal(curves.loc[rest, "loss"], other.loc[rest, "loss"])


def test_shuffles_are_streams_of_their_own(made):
    """Another shuffle, seed or run seed draws another order; more shuffles leave the first ones as they are."""
    study, folder, _ = made
    first = drawn(study, 0)
    config = study.config | {"decompose": study.config["decompose"] | {"shuffles": 5}}
    longer = open_study(config, "digits_vgg", folder / "digits_target", study.models)
    more = drawn(longer, 0)
    name = max(study.groups, key=lambda group: group.size).name
    assert len(more) == 5 and all(np.array_equal(one[name], two[name]) for one, two in zip(first, more, strict=False))
    orders = [order[name].tolist() for order in [*more, *drawn(study, 1)]]
    assert len({tuple(order) for order in orders}) == len(orders)


def group(name: str, size: int) -> UnitGroup:
    return UnitGroup(name, "filter", size, (), (), residual=False, original=torch.arange(size))


def test_units_of_one_score_are_drawn_like_all_others():
    """Ties are broken by index in a criterion's own order; a shuffle that kept this would draw the first units only."""
    order = {"a": np.array([3, 1, 0, 2])}
    assert first_of(order, {"a": [0, 1]}) == {"a": [1, 3]}
    counts = np.zeros(8)
    generator = np.random.default_rng(0)
    tied = select([group("a", 8)], {"a": torch.zeros(8)}, 0.5)
    assert tied == {"a": [0, 1, 2, 3]}
    for _ in range(2000):
        counts[first_of({"a": generator.permutation(8)}, tied)["a"]] += 1
    assert (abs(counts / 2000 - 0.5) < 0.05).all()


def test_a_group_of_one_unit_keeps_it_whatever_chooses():
    groups = [group("one", 1), group("many", 4)]
    scores = {"one": torch.tensor([-9.0]), "many": torch.arange(4.0)}
    for scheme in ("global", "per-layer"):
        found = select(groups, scores, 0.5, Selector(scheme))
        assert found["one"] == []
        assert first_of({"one": np.array([0]), "many": np.array([2, 0, 1, 3])}, found)["one"] == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"decompose": {"rates": [0.3]}},
            r"decompose\.rates: 0\.3 is not among fewshot\.rates.*allowed are 0\.2, 0\.5",
        ),
        ({"decompose": {"samples_per_class": [5]}}, r"decompose\.samples_per_class: nothing is ranked on 5"),
        ({"scheme": "per-layer"}, "decompose: with the scheme per-layer every layer loses the same share"),
        ({"budget": "macs"}, "decompose: the same share of every layer is a share of its units, but budget is macs"),
        ({"decompose": {"shuffles": 0}}, r"decompose\.shuffles: 0 is too small"),
        ({"decompose": True}, "decompose: True is not of type object"),
    ],
)
def test_a_config_that_cannot_be_decomposed_is_refused_by_key(changed, words):
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    with pytest.raises(SecateurError, match=words):
        configuration.resolve(given | changed)


def test_all_rates_and_sample_counts_of_the_branch_are_taken_where_none_are_named():
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    found = configuration.resolve(given | {"decompose": {}})["decompose"]
    assert found == {"rates": [0.2, 0.5], "samples_per_class": [1, 2], "shuffles": 5}


def test_without_the_key_there_is_nothing_to_do(made, tmp_path):
    study, folder, _ = made
    config = {key: value for key, value in study.config.items() if key != "decompose"}
    other = open_study(config, "digits_vgg", folder / "digits_target", study.models)
    with pytest.raises(SecateurError, match="decompose: the config lacks the key"):
        decompose(other, "lrp", range(1), folder / "scores.safetensors", tmp_path / "curves.parquet")


@pytest.mark.slow
def test_what_another_stage_has_measured_is_read_and_not_measured_again(made, tmp_path, monkeypatch):
    """A second criterion with the same scores measures nothing, and its rows are the same."""
    study, folder, curves = made
    scores = folder / "scores.safetensors"
    shared = open_study(study.config, "digits_vgg", folder / "digits_target", study.models, shared=tmp_path / "shared")
    fewshot(shared, "lrp", range(2), scores, tmp_path / "own.parquet", tmp_path / "profiles.parquet")
    decompose(shared, "lrp", range(2), scores, tmp_path / "first.parquet")
    again = open_study(study.config, "digits_vgg", folder / "digits_target", study.models, shared=tmp_path / "shared")
    unpruned = {seed: measurements.of_unpruned(again, seed) for seed in range(2)}
    monkeypatch.setattr(measurements, "of_unpruned", lambda _, seed: unpruned[seed])
    monkeypatch.setattr(measurements, "measure", lambda *_: pytest.fail("measured again"))
    decompose(again, "weight", range(2), scores, tmp_path / "second.parquet")
    first, second = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("first", "second"))
    pd.testing.assert_frame_equal(first.drop(columns="criterion"), second.drop(columns="criterion"))
    pd.testing.assert_frame_equal(first, curves)
