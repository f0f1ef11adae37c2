"""The table of verdicts: rows that repeat others are left out, and each that stays has an id of its own."""

import pandas as pd

from secateur.report import page_tables


def rows(studies: list[tuple[str, str, str]]) -> tuple[set[tuple[str, str]], pd.DataFrame]:
    """Places that stay of a verdict at every place of these studies (study, dataset, backbone), and the verdicts."""
    about = pd.DataFrame(studies, columns=["study", "dataset", "backbone"])
    places = [("study", name) for name in about["study"]]
    places += [(scope, name) for scope in ("dataset", "backbone") for name in sorted(set(about[scope]))]
    verdicts = pd.DataFrame([*places, ("overall", "")], columns=["scope", "where"]).assign(claim="C1", criterion="lrp")
    kept = page_tables.adding(verdicts, about)
    return set(zip(kept["scope"], kept["where"], strict=True)), kept


def test_one_study_has_one_row():
    assert rows([("a-x", "a", "x")])[0] == {("overall", "")}


def test_a_dataset_with_all_studies_and_networks_with_one_repeat():
    """As in the demo: five places, of which the dataset is the whole run and each network is one study."""
    assert rows([("a-x", "a", "x"), ("a-y", "a", "y")])[0] == {("overall", ""), ("study", "a-x"), ("study", "a-y")}


def test_a_dataset_and_a_network_with_studies_of_their_own_stay():
    crossed = [("a-x", "a", "x"), ("a-y", "a", "y"), ("b-x", "b", "x"), ("b-y", "b", "y")]
    kept, table = rows(crossed)
    assert kept == {
        ("overall", ""), ("dataset", "a"), ("dataset", "b"), ("backbone", "x"), ("backbone", "y"),
        *(("study", name) for name, _, _ in crossed),
    }  # fmt: skip
    ids = [page_tables.verdict_id(row) for row in table.to_dict("records")]
    assert len(set(ids)) == len(ids) and "verdict-C1-lrp-overall-all" in ids
