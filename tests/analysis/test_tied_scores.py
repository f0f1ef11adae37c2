"""Ties in score files, against counts made another way, and what the page says of them."""

from collections import Counter

import numpy as np
import pytest
import torch

from secateur import tensorfile
from secateur.analysis.ties import COLUMNS, many, ties
from secateur.report import checks


@pytest.fixture
def rankings(tmp_path):
    """Two criteria, three seeds: "sure" scores all 40 units apart, "zeros" gives 10, 20 and 30 of them nothing."""
    generator = np.random.default_rng(0)
    paths, every = [], {}
    for name in ("sure", "zeros"):
        tensors = {}
        for seed in range(3):
            values = generator.normal(size=40)
            if name == "zeros":
                values[: 10 * (seed + 1)] = 0.0
            every[name, seed] = values = generator.permutation(values)
            tensors |= {f"{seed}/1/one": torch.from_numpy(values[:15]), f"{seed}/1/two": torch.from_numpy(values[15:])}
        path = tmp_path / "study" / name / "0-2.safetensors"
        path.parent.mkdir(parents=True)
        tensorfile.write(path, tensors)
        paths.append(path)
    return paths, every


def test_every_ranking_has_the_commonest_score_and_where_it_stands(rankings):
    paths, every = rankings
    found = ties(paths)
    assert list(found) == COLUMNS and len(found) == 6
    for row in found.itertuples():
        values = every[row.criterion, row.seed].tolist()
        score, count = max(Counter(values).items(), key=lambda item: (item[1], -item[0]))
        assert (row.units, row.tied, row.score) == (40, count, score)
        assert row.below == sum(value < score for value in values)
        assert row.source.endswith(f"study/{row.criterion}/0-2.safetensors:{row.seed}/1")
    assert found.loc[found["criterion"] == "zeros", "tied"].tolist() == [10, 20, 30]


def test_the_page_names_the_criterion_that_does_not_choose_and_between_which_rates(rankings):
    found = ties(rankings[0])
    shown = many(found)
    assert shown[["criterion", "rankings", "seeds", "units"]].values.tolist() == [["zeros", 3, 3, 40]]
    assert shown["tied"][0] == pytest.approx(0.5) and shown["end"][0] - shown["start"][0] == pytest.approx(0.5)
    start, end = (f"{100 * shown[name][0]:.0f}" for name in ("start", "end"))
    said = checks.of_ties(found)
    assert said.startswith("Of 6 rankings 3 give more than 10 % of the units one and the same score, most of all zeros")
    assert f"from 1 image a class: 50 % of the units, so that at rates between {start} and {end} %" in said
    table = checks.ties_table(found)
    assert [cell.text for cell in table.rows[0]][:5] == ["zeros", "1", "3", "3", "40"]
    sure = found[found["criterion"] == "sure"]
    assert "(3 rankings): which units go is decided by scores" in checks.of_ties(sure)
    assert not checks.ties_table(sure).rows and not checks.ties_table(found[:0]).rows


def test_rankings_of_one_study_are_not_counted_for_another(rankings):
    sure, zeros = rankings[0]
    alone = sure.parents[2] / "a study before" / "alone" / sure.name
    alone.parent.mkdir(parents=True)
    alone.write_bytes(sure.read_bytes())
    both = ties([sure, zeros, alone])
    assert [(row.study, row.criterion) for row in both.itertuples()] == [
        *[("a study before", "alone")] * 3, *[("study", "sure")] * 3, *[("study", "zeros")] * 3,
    ]  # fmt: skip
    assert both[both["study"] == "study"].reset_index(drop=True).equals(ties([sure, zeros]))
