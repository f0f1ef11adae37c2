"""What the page says of the 2-D study: each number is that of the cell, and a rule that says little says so."""

import re
from pathlib import Path

import pandas as pd
import pytest

from secateur.analysis import toy_reproduction
from secateur.report import published

PUBLISHED = Path("report/published/toy_published.csv")


def measured(noise: float, networks: int = 5) -> pd.DataFrame:
    """Networks that keep what was published, each shifted by its own share of `noise`."""
    cells = toy_reproduction.read_published(PUBLISHED).query("evaluated_on == 'train'")
    rows = cells.assign(
        variant="authors", references="generated", steps="published", rate=1 / 3, removed=1000, accuracy_unpruned=1.0
    )
    return pd.concat(
        [
            rows.assign(
                accuracy=rows["published_mean"] + noise * (seed - (networks - 1) / 2), model_seed=seed, repetition=draw
            )
            for seed in range(networks)
            for draw in range(3)
        ]
    )


def said(folder: Path, noise: float, networks: int = 5) -> tuple[str, pd.Series]:
    cells = toy_reproduction.count_cells(
        toy_reproduction.compare(toy_reproduction.read_published(PUBLISHED), measured(noise, networks))
    )
    cells.to_csv(folder / "toy_cells.csv", index=False)
    (sentence,) = published.toy_sentences(folder)
    return sentence, cells.set_index("dataset").loc["all"]


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,.]*(?<![.,])", text)]


def test_a_sharp_rule_is_counted_with_its_power_and_its_negative_control(tmp_path):
    text, row = said(tmp_path, 0.0001)
    share = 100 * row["wrong_passed"] / row["wrong_pairs"]
    expected = [row["reproduced"], row["tested"], 95, 100 * row["mean_absolute_difference"], 100 * row["detectable"]]
    expected += [80, row["wrong_passed"], row["wrong_pairs"], share]
    assert "which were not fitted" in text and "(median)" in text
    assert numbers(text.partition("fitted,")[2])[:9] == pytest.approx(expected, abs=0.51)
    assert row["reproduced"] == row["tested"] == 96


def test_a_rule_that_lets_too_much_pass_says_so_and_why(tmp_path):
    text, row = said(tmp_path, 0.05)
    assert row["wrong_passed"] > 0.1 * row["wrong_pairs"]
    alike = row["wrong_pairs"] - row["distinct_pairs"]
    assert f"more than 10 %: in {alike} pairs" in text
    assert f"of the {row['distinct_pairs']} others {row['distinct_passed']} pass" in text


def test_too_few_networks_are_not_counted_at_all(tmp_path):
    text, row = said(tmp_path, 0.01, networks=2)
    assert row["tested"] == 0 and "at least 3 networks" in text and "reproduced" not in text
