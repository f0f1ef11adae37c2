"""What a run computes, counted from its config: held against counting by hand, and against the networks themselves."""

import copy

import pytest
import torch
import yaml

from secateur import config as configuration
from secateur import workload
from secateur.branches import throughput
from secateur.cli import estimating
from secateur.errors import SecateurError
from secateur.workload import Speed

PAPER = yaml.safe_load((configuration.REPOSITORY / "config" / "paper.yaml").read_text(encoding="utf-8"))


def small(**changes: object) -> dict:
    """One study of the paper's grid, small enough to count by hand: 1500 training and 2985 test images, 15 classes."""
    config = copy.deepcopy(PAPER)
    config |= {
        "criteria": ["weight", "taylor", "lrp"], "seeds": 2, "seeds_per_job": 1,
        "studies": {"one": {"dataset": "scene15", "backbone": "resnet18"}},
        "fewshot": {"samples_per_class": [1, 10], "rates": [0.5]},
        "retrain": {"samples_per_class": [10], "rates": [0.5, 0.75], "finetune": {"epochs": 4}},
        "training": {"transfer": {"epochs": 3}, "validation": 0.1},
        "agreement": {"draws": 5},
    }  # fmt: skip
    return configuration.resolve(config | changes)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder without data: sizes come from the entries."""
    monkeypatch.chdir(tmp_path)


def test_every_stage_counted_by_hand(elsewhere):
    found = {work.stage: work for work in workload.of_study(small(), "one")}
    assert (found["transfer"].jobs, found["rank"].jobs, found["redraw"].jobs) == (2, 6, 3)
    assert found["transfer"].training == pytest.approx(2 * 3 * 3 * 1350)  # seeds, epochs, passes a step, images
    assert found["transfer"].forward == pytest.approx(2 * 3 * 150)
    assert found["rank"].forward == 2 * (0 + 2 + 3) * (15 + 150)  # weight needs no pass, taylor two, lrp three
    assert found["redraw"].forward == 5 * (0 + 2 + 3) * (15 + 150)
    # Test images, and 256 training images in two modes.
    measured = 2985 + 2 * 256
    assert (found["unpruned"].jobs, found["unpruned"].forward) == (2, 2 * measured)
    # At the rate a quarter is left, for two sample counts but one of the data-free.
    assert found["fewshot"].forward == 2 * 2985 * (1 + 2 + 2) * 0.25
    assert found["retrain"].training == pytest.approx(2 * 3 * 3 * 4 * 1350 * (0.25 + 0.0625))
    ranked = 5 * 150 * (1 + 0.25)
    rounds = measured + 1350  # after training batch-norm's statistics are estimated anew
    assert found["retrain"].forward == pytest.approx(2 * (ranked + 3 * rounds * (0.25 + 0.0625)))
    assert found["retrain_unpruned"].jobs == 2  # whole in both rounds
    assert found["retrain_unpruned"].training == pytest.approx(2 * 3 * 4 * 1350 * 2)
    assert found["retrain_unpruned"].forward == pytest.approx(2 * rounds * 2)
    assert found["gallery"].forward == pytest.approx(2985 * (1 + 3 * 0.6**2))  # at its default rate


def test_other_choices_of_units_are_counted_by_hand(elsewhere):
    found = {work.stage: work for work in workload.of_study(small(decompose={"shuffles": 4}), "one")}["decompose"]
    # Five networks of each criterion and sample count (one count of the data-free) and four that all criteria share.
    assert (found.jobs, found.forward) == (6, 2 * 2985 * (5 * (1 + 2 + 2) + 4) * 0.25)


def test_shapes_from_scratch_are_trained_for_all_that_their_networks_have_seen(elsewhere):
    settings = {"samples_per_class": [10], "rates": [0.5, 0.75], "finetune": {"epochs": 4}}
    found = small(retrain=settings | {"controls": {"scratch": True}})
    work = {work.stage: work for work in workload.of_study(found, "one")}["scratch"]
    # Two seeds and three criteria; three epochs of the transfer and four of each round, none of the hub's.
    assert work.training == pytest.approx(2 * 3 * 3 * 1350 * (0.25 * (3 + 4) + 0.0625 * (3 + 8)))
    assert work.jobs == 6 and work.forward > 0


def test_what_the_config_switches_off_costs_nothing(elsewhere):
    settings = {"samples_per_class": [10], "rates": [0.5, 0.75], "finetune": {"epochs": 4}}
    found = small(retrain=settings | {"batch_norm": "running", "controls": {"unpruned": False}})
    works = {work.stage: work for work in workload.of_study(found, "one")}
    assert "retrain_unpruned" not in works
    with_statistics = {work.stage: work for work in workload.of_study(small(), "one")}["retrain"].forward
    assert with_statistics - works["retrain"].forward == pytest.approx(2 * 3 * 1350 * (0.25 + 0.0625))


def test_passes_are_read_off_the_criteria(elsewhere):
    def passes(name, **options):
        return workload.passes_of({"criterion": name, "options": options}, [])

    assert [passes(name) for name in ("random", "weight", "apoz", "gradient", "taylor", "lrp", "lrp_epsilon")] == [
        0, 0, 1, 2, 2, 3, 3
    ]  # fmt: skip
    assert passes("integrated_gradients") == 96 and passes("integrated_gradients", steps=4) == 24
    assert passes("oracle") is passes("oracle_joint") is None


def test_a_frozen_transfer_has_forward_passes_alone(elsewhere):
    frozen = small(training={"transfer": {"epochs": 3, "freeze": True}})
    found = {work.stage: work for work in workload.of_study(frozen, "one")}
    assert found["transfer"].training == pytest.approx(2 * 3 * 1350)


def test_sizes_come_from_the_data_where_they_are(elsewhere, tmp_path):
    config = small()
    (tmp_path / "data" / "scene15").mkdir(parents=True)
    (tmp_path / "data" / "scene15" / "dataset.json").write_text('{"class_sizes": {"train": [3, 4], "test": [1, 2]}}')
    assert workload.sizes(config, "scene15") == (7, 3, 2)


def test_unknown_sizes_are_an_error_that_names_the_dataset(elsewhere):
    config = small(studies={"one": {"dataset": "digits_target", "backbone": "resnet18"}})
    assert workload.of_study(config, "one") is None
    with pytest.raises(SecateurError, match=r"studies\.one.*digits_target.*sizes"):
        estimating.counted(config, "mine.yaml")


def test_the_upper_bound_takes_pruned_networks_for_whole_ones(elsewhere):
    lower, upper = (
        {work.stage: work for work in workload.of_study(small(), "one", left)}
        for left in (workload.left, workload.whole)
    )
    assert upper["fewshot"].forward == 2 * 2985 * (1 + 2 + 2)
    assert upper["retrain"].training == pytest.approx(2 * 3 * 3 * 4 * 1350 * 2)
    assert lower["transfer"] == upper["transfer"] and lower["rank"] == upper["rank"]


def test_hours_follow_from_a_speed(elsewhere):
    config = small()
    works = estimating.counted(config, "mine.yaml")
    table = estimating.tabulated(works, {"resnet18": Speed(1, 100.0, 50.0)}, config)
    expected = sum(work.forward / 100 + work.training / 50 for work in works) / 3600
    assert table["all"].tolist() == [pytest.approx(expected)]


def test_every_network_costs_something_of_its_own(elsewhere):
    """Two seeds, `small`'s criteria: what is measured once for all sample counts counts once here too."""
    found = {work.stage: work for work in workload.of_study(small(), "one")}
    assert found["transfer"].networks == found["unpruned"].networks == 2
    images = {stage: found[stage].forward for stage in ("rank", "fewshot")}
    entries, counts, rates = (len(small()[key]) if key == "criteria" else len(small()["fewshot"][key])
                              for key in ("criteria", "samples_per_class", "rates"))  # fmt: skip
    assert found["rank"].networks == workload.RANKING * 2 * entries * counts
    assert 2 * entries * rates <= found["fewshot"].networks <= 2 * entries * counts * rates
    for stage, passes in images.items():
        work = found[stage]
        assert work.seconds(Speed(1, 100.0, 50.0, 0.5)) == pytest.approx(passes / 100 + 0.5 * work.networks)


def test_a_finished_run_is_held_against_the_estimate(elsewhere, tmp_path):
    from secateur.files import write_json

    config, speeds = small(), {"resnet18": Speed(1, 100.0, 100.0)}
    works = estimating.counted(config, "mine.yaml")
    assert estimating.held_against(works, works, speeds, config, tmp_path) is None
    write_json(tmp_path / "config.json", config)
    for part in ("0-0", "1-1"):
        path = tmp_path / "usage" / "transfer" / f"one-{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"work_cpu_seconds": 1.0, "work_wall_seconds": 2.0})
    write_json(tmp_path / "usage" / "rank" / "one-lrp-0-0.json", {"work_cpu_seconds": 1, "work_wall_seconds": 2})
    most = estimating.counted(config, "mine.yaml", lambda _: workload.whole)
    found = estimating.held_against(works, most, speeds, config, tmp_path).set_index("stage")
    assert list(found.index) == ["transfer", "all"]  # of the rankings one job is not there
    transfer = next(work for work in works if work.stage == "transfer")
    assert found.loc["transfer", "estimated ÷ measured"] == pytest.approx(transfer.seconds(speeds["resnet18"]) / 4.0)


@pytest.mark.slow
def test_throughput_is_measured_at_the_size_of_the_network():
    config = small(
        backbones={"resnet18": {"architecture": "resnet18", "size": 32, "weights": "hub"}}, device="cpu", batch_size=4
    )
    torch.set_num_threads(1)
    slow = throughput.measure(config, "resnet18")
    assert slow.macs == pytest.approx(37e6, rel=0.05)  # 1.81e9 at 224 px, by 49
    narrow = small(
        backbones={"resnet18": {
            "architecture": "resnet18", "arguments": {"channels": [8, 16, 32, 64]}, "size": 32, "weights": "hub"
        }}, device="cpu", batch_size=4,
    )  # fmt: skip
    fast = throughput.measure(narrow, "resnet18")
    assert fast.macs < slow.macs / 10 and fast.forward > slow.forward and fast.training > slow.training


@pytest.mark.parametrize(("scope", "expected"), [("all", 0.25), ("inner", 0.5)])
def test_what_a_pruned_network_computes_follows_its_scope(scope, expected):
    backbone = {"architecture": "resnet18", "size": 32, "weights": "hub"}
    config = small(backbones={"resnet18": backbone}, device="cpu", scope=scope)
    left = throughput.left(config, "one")
    assert left(0.0) == 1.0 and left(0.5) == pytest.approx(expected, abs=0.04)
    counted = estimating.counted(config, "mine.yaml", lambda study: throughput.left(config, study))
    fewshot = next(work for work in counted if work.stage == "fewshot")
    assert fewshot.forward == pytest.approx(2 * 2985 * (1 + 2 + 2) * left(0.5))


@pytest.mark.parametrize(("criteria", "seeds", "few"), [(8, 10, True), (8, 11, False), (2, 6, False), (1, 1, False)])
def test_seeds_that_cannot_tell_the_criteria_apart_are_said(elsewhere, criteria, seeds, few):
    names = ["weight", "taylor", "lrp", "gradient", "apoz", "fisher", "snip", "fpgm"][:criteria]
    said = estimating.few_seeds(small(criteria=names, seeds=seeds))
    assert bool(said) == few and (not few or "28 pairs; 11 seeds can" in said.replace("\n", " "))
