"""The table of docs/toy.md says what the run's statistics say."""

import pandas as pd
import pytest
import reproduction

ROW = {
    "variant": "authors", "references": "generated", "steps": "published", "dataset": "all", "cells": 96, "tested": 96,
    "reproduced": 70, "mean_absolute_difference": 0.032, "detectable": 0.071, "wrong_pairs": 288, "wrong_passed": 20,
    "distinct_pairs": 200, "distinct_passed": 5,
}  # fmt: skip


def test_rows_and_sentences_have_the_numbers_of_the_statistics(tmp_path):
    rows = [ROW, ROW | {"references": "training", "reproduced": 1}, ROW | {"variant": "text", "reproduced": 2}]
    pd.DataFrame(rows).to_csv(tmp_path / "toy_cells.csv", index=False)
    pd.DataFrame({"networks": [3, 3]}).to_csv(tmp_path / "toy_published.csv", index=False)
    text = reproduction.table(tmp_path)
    assert "| published | **all** | 96 | 96 | 70 | 3.2 | 7.1 | 20 of 288 | 5 of 200 |" in text
    assert text.count("| published |") == 1 and "kind of steps: 3." in text
    assert "70 of the 96 published accuracies" in text and "20 of 288 pairs (7 %)" in text


def test_without_the_run_it_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match=r"config/toy\.yaml"):
        reproduction.table(tmp_path)
