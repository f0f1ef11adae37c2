"""The page's answer: which verdicts are badges, what is counted as the paper's, and what every criterion passes."""

import pandas as pd
import pytest

import synthetic
from secateur.analysis import claims as claim_files
from secateur.analysis.forms import of_run
from secateur.analysis.measures import measure_both
from secateur.analysis.verdicts import verdicts
from secateur.report import answer

RAW = {"taylor_raw": {"criterion": "taylor", "normalisation": "none"}}


def judged(gains: dict[str, float], **variants: dict) -> tuple[pd.DataFrame, claim_files.Claims]:
    """Verdicts on a synthetic run, and its claims; the criteria are the gains' but for variants."""
    plain = tuple(name for name in gains if name not in variants)
    claims = of_run(claim_files.read("config/claims.yaml"), synthetic.entries(plain, **variants))
    curves = synthetic.control(synthetic.curves(gains))
    every = measure_both(curves[curves["control"] == ""], curves[curves["control"] == "unpruned"])
    return verdicts(every, synthetic.cost(gains), claims), claims


@pytest.fixture(scope="module")
def strong() -> tuple[pd.DataFrame, claim_files.Claims]:
    """A run in which Taylor without normalisation is better than LRP."""
    return judged(synthetic.CRITERIA | {"taylor_raw": 0.15}, **RAW)


@pytest.mark.slow
def test_both_verdicts_of_a_claim_stand_side_by_side(strong):
    cards = {card["claim"].id: card for card in answer.cards(*strong)}
    assert list(cards) == ["C1", "C2", "C3", "C4", "C5"]
    published, strongest = cards["C1"]["badges"]
    assert (
        published["claim"] == "C1"
        and published["says"] == "supported in the one study"
        and published["criterion"] == "lrp"
    )
    assert strongest["claim"] == "C1s" and strongest["kind"] == "contradicted"
    assert published["label"] == "against rivals as published"
    assert strongest["label"] == "against rivals at their strongest"
    assert [row["claim"] for row in cards["C1"]["variants"]] == ["C1", "C1s"]
    assert {row["criterion"] for row in cards["C1"]["variants"]} == {"lrp_epsilon"}
    assert len(cards["C4"]["badges"]) == len(cards["C5"]["badges"]) == 1


@pytest.mark.slow
def test_the_robustness_line_says_what_the_row_says(strong):
    table, claims = strong
    row = table[(table["claim"] == "C1") & (table["criterion"] == "lrp") & (table["scope"] == "overall")].iloc[0]
    line = answer.robust(claims.claims[0], row.to_dict())
    assert line == (
        f"The same test at equal MACs: {row['verdict_macs']}; at equal parameters: {row['verdict_params']}; by the "
        f"worst class: {row['verdict_worst_class']}; with Holm's correction over all rivals and criteria together: "
        f"{row['verdict_holm']}."
    )
    card = next(card for card in answer.cards(table, claims) if card["claim"].id == "C4")
    assert card["badges"][0]["robust"].startswith("The same test with Holm's correction over all criteria together")


@pytest.mark.slow
def test_the_papers_claims_are_counted_for_its_own_criterion_and_corrected(strong):
    table, claims = strong
    first, strongest, variants = answer.headline(table, claims)
    assert first.startswith("For lrp, the paper's own criterion, of its 5 claims:") and "lrp_epsilon" not in first
    assert strongest == (
        "Against every form of each rival that this run has, each by itself: C1s contradicted in the one study, "
        "C2s contradicted in the one study."
    )
    assert variants.startswith("lrp_epsilon: a variant of LRP")
    own = table["criterion"] == "lrp"
    overall, study = own & (table["scope"] == "overall"), own & (table["scope"] == "study")
    weak = table.copy()
    weak.loc[overall, ["verdict", "alike"]] = "undecided", "supported"
    weak.loc[study, "p"] = 0.02  # by itself enough, for one of five not: 5 × 0.02 is above 0.05
    assert "of its 5 claims: 5 undecided, corrected" in answer.headline(weak, claims)[0]
    weak.loc[study, "p"] = 0.009
    assert "of its 5 claims: 5 supported in the one study, corrected" in answer.headline(weak, claims)[0]
    weak.loc[overall & (table["claim"] == "C1"), "alike"] = ""  # counts in the correction all the same
    weak.loc[study & (table["claim"] == "C2"), "p"] = 0.06
    said = "of its 5 claims: 3 supported in the one study and 2 undecided, corrected"
    assert said in answer.headline(weak, claims)[0]
    weak.loc[overall & (table["claim"] == "C3"), ["verdict", "p"]] = "contradicted", 1e-4  # a test over studies
    said = "of its 5 claims: 2 supported in the one study, 1 contradicted and 2 undecided, corrected"
    assert said in answer.headline(weak, claims)[0]


@pytest.mark.slow
def test_a_run_without_the_papers_criterion_says_nothing_about_its_claims():
    gains = {name: gain for name, gain in synthetic.CRITERIA.items() if name != "lrp"}
    table, claims = judged(gains)
    assert answer.headline(table, claims)[0] == (
        "This run does not have the paper's criterion, lrp: it says nothing about its claims."
    )
    assert answer.cards(table, claims)[0]["badges"][0]["criterion"] == "lrp_epsilon"


@pytest.mark.slow
def test_what_others_pass_too_says_little_about_lrp(strong):
    card = next(card for card in answer.cards(*strong) if card["claim"].id == "C3")
    assert card["note"].startswith("Of the 7 criteria of this run, 7 pass each by itself: lrp to 40 %, ")
    assert "; with Holm's correction over all of them, none. Since " in card["note"], "eight seeds cannot reach it"
    assert card["note"].endswith("pass too, this says little about lrp.")
    assert {row["criterion"] for row in card["variants"]} == {"lrp_epsilon"}, "the others are in the table"
    only = judged(dict.fromkeys(synthetic.CRITERIA, -1.6) | {"lrp": 0.06})
    card = next(card for card in answer.cards(*only) if card["claim"].id == "C3")
    assert "1 passes by itself: lrp to 40 %; with Holm's correction" in card["note"]
    assert "says little" not in card["note"]
    none = judged(dict.fromkeys(synthetic.CRITERIA, -1.6))
    card = next(card for card in answer.cards(*none) if card["claim"].id == "C3")
    assert card["note"].endswith("none pass each by itself.")
