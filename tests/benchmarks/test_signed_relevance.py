"""The table of signed relevance, of statistics that were made up."""

import pandas as pd
import pytest
import signed_relevance

MEASURE = signed_relevance.MEASURE


@pytest.fixture
def results(tmp_path):
    """Signed is 5 points below position on the first study, 1 above it (interval over 0) on the second."""
    (tmp_path / "statistics").mkdir()
    means = {"signed": (0.50, 0.61), "position": (0.55, 0.60), "sample": (0.56, 0.60), "random": (0.2, 0.3)}
    common = {"branch": "fewshot", "measure": MEASURE}
    rows = [
        {"study": study, "criterion": name, "mean": values[place], "n": 6, **common}
        for place, study in enumerate(("first", "second")) for name, values in means.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "statistics" / "intervals.csv")
    pairs = []
    for place, (study, half) in enumerate((("first", 0.01), ("second", 0.02))):
        for criterion, other in (("signed", "position"), ("sample", "signed"), ("signed", "random")):
            found = means[criterion][place] - means[other][place]
            about = {"scope": "study", "study": study, "criterion": criterion, "other": other}
            pairs.append({**about, **common, "mean_difference": found, "low": found - half, "high": found + half})
    pairs.append({**pairs[0], "scope": "studies", "mean_difference": 9, "low": 9, "high": 9})
    pairs.append({**pairs[0], "branch": "retrain", "mean_difference": 9, "low": 9, "high": 9})
    pd.DataFrame(pairs).to_csv(tmp_path / "statistics" / "tests.csv")
    return tmp_path


def test_differences_have_the_sign_of_their_heading_and_sentences_count_intervals(results):
    text = signed_relevance.table(results)
    first, second = (
        next(line for line in text.splitlines() if line.startswith(f"| {name}")) for name in ("first", "second")
    )
    assert "−5.0 [−6.0, −4.0] | −6.0 [−7.0, −5.0] | +30.0" in first
    assert "+1.0 [−1.0, +3.0] | +1.0 [−1.0, +3.0] | +31.0" in second
    assert "`signed` against `position`: worse in 1, better in 0 and not told apart in 1 of 2 studies" in text
    assert "`signed` against `random`: worse in 0, better in 2 and not told apart in 0 of 2" in text


def test_without_the_run_it_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match=r"config/signed\.yaml"):
        signed_relevance.table(tmp_path)
