"""Verdicts over several studies: what datasets and networks of one run say together."""

import pandas as pd
import pytest

import synthetic
from judging import EQUAL, FEW, alone, judge, overall
from secateur.analysis.sentences import badge


@pytest.mark.slow
def test_one_dataset_says_nothing_of_others_but_its_studies_can_say_alike():
    good = synthetic.curves(studies=("a-net", "a-tree"), **FEW)
    row = overall(judge(good), "C1")
    assert row["verdict"] == "undecided" and row["reason"] == "levels" and row["alike"] == "supported"
    assert row["sentence"].startswith("Studies: 2 supported. Where it looked worst: against weight")
    assert row["sentence"].endswith("All of them have one dataset, so this says nothing about other images.")
    assert badge(row) == ("supported", "supported in both studies")
    turned = {name: -gain for name, gain in synthetic.CRITERIA.items()}
    bad = synthetic.curves(turned, studies=("a-bush",), **FEW)
    row = overall(judge(pd.concat([good, bad])), "C1")
    assert row["verdict"] == "undecided" and row["alike"] == "" and "2 supported, 1 contradicted" in row["sentence"]
    assert badge(row) == ("undecided", "undecided")


@pytest.mark.slow
def test_a_grid_of_studies_is_tested_with_datasets_and_networks_crossed():
    studies = tuple(f"{dataset}-{network}" for dataset in "abcd" for network in ("net", "tree", "bush"))
    table = judge(synthetic.curves(studies=studies, seeds=6, **FEW))
    row = overall(table, "C1")
    assert row["verdict"] == "supported" and row["test"] == "crossed t" and row["n"] == 12
    assert row["blocks"] == "4 datasets and 3 networks" and row["low"] < row["effect"] < row["high"]
    assert row["sentence"].startswith("Over 12 studies (4 datasets and 3 networks): Against weight")
    assert "on average over the studies" in row["sentence"] and badge(row) == ("supported", "supported")
    of_network = table[(table["claim"] == "C1") & (table["criterion"] == "lrp") & (table["where"] == "net")].iloc[0]
    assert of_network["blocks"] == "4 datasets" and of_network["n"] == 4 and of_network["test"] == "crossed t"


@pytest.mark.slow
def test_an_advantage_that_comes_from_one_network_is_no_verdict_over_all():
    good = synthetic.curves(studies=tuple(f"{dataset}-net" for dataset in "abcdef"), seeds=2, **FEW)
    equal = synthetic.curves(EQUAL, studies=tuple(f"{dataset}-tree" for dataset in "abcdef"), seeds=2, **FEW)
    row = overall(judge(pd.concat([good, equal])), "C1")
    assert row["verdict"] == "undecided" and row["test"] == "crossed t" and row["p"] > 0.05


@pytest.mark.slow
def test_there_is_a_verdict_for_every_dataset_and_backbone():
    good = synthetic.curves(studies=("a-net", "b-net", "c-net", "d-net"))
    turned = {name: -gain for name, gain in synthetic.CRITERIA.items()}
    bad = synthetic.curves(turned, studies=("a-tree",))
    table = judge(pd.concat([good, bad]), synthetic.cost(study="a-net"))
    chosen = table[(table["claim"] == "C1") & (table["criterion"] == "lrp")].set_index(["scope", "where"])
    verdicts, alike = chosen["verdict"].to_dict(), chosen["alike"].to_dict()
    assert (verdicts["study", "a-tree"], verdicts["study", "b-net"]) == ("contradicted", "supported")
    assert (verdicts["backbone", "net"], verdicts["backbone", "tree"]) == ("supported", "undecided")
    assert (alike["backbone", "tree"], alike["dataset", "a"], alike["dataset", "b"]) == (
        "contradicted",
        "",
        "supported",
    )
    assert verdicts["overall", ""] == verdicts["dataset", "a"] == verdicts["dataset", "b"] == "undecided"
    assert chosen["studies"].to_dict()["dataset", "a"] == 2 and chosen.loc[("backbone", "net"), "studies"] == 4
    assert "One study was run, so this says nothing about other networks." in chosen.loc[("dataset", "b"), "sentence"]
    assert "says nothing about other images." in chosen.loc[("backbone", "tree"), "sentence"]


@pytest.mark.slow
def test_studies_of_which_nothing_is_known_but_their_cost_stand_by_themselves():
    cost = pd.concat([synthetic.cost(study=study, repeats=9) for study in ("x", "y", "z")])
    row = overall(judge(synthetic.curves(seeds=1, studies=("x",)), cost), "C4")
    assert row["verdict"] == row["alike"] == "supported" and row["n"] == 3


def test_only_scarce_reference_data_count_for_the_first_claim():
    few = ("fewshot",)
    scarce = synthetic.curves(samples=("1", "10"), branches=few)
    plenty = synthetic.curves(
        {"lrp": -0.2, "weight": 0.1, "gradient": 0.1, "taylor": 0.1}, samples=("200",), branches=few
    )
    row = alone(judge(pd.concat([scarce, plenty])), "C1")
    assert row["effect"] == pytest.approx(alone(judge(scarce), "C1")["effect"])
