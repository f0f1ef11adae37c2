"""The claims file: the published one is right, and mistakes in an edited one are named."""

from pathlib import Path

import pytest
import yaml

import synthetic
from secateur.analysis import claims, forms
from secateur.errors import SecateurError

PUBLISHED = Path("config/claims.yaml")


def edited(tmp_path: Path, number: int = 0, **changes) -> Path:
    found = yaml.safe_load(PUBLISHED.read_text())
    claim = found["claims"][number]
    for key, value in changes.items():
        if key in ("alpha", "criteria", "claims"):
            found[key] = value
        elif value is None:
            claim.pop(key)
        else:
            claim[key] = value
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(found))
    return path


def test_the_published_claims_are_read():
    found = claims.read(PUBLISHED)
    assert [claim.id for claim in found.claims] == ["C1", "C1s", "C2", "C2s", "C3", "C4", "C5"]
    assert [claim.id for claim in found.claims if not claim.ours] == ["C1", "C2", "C3", "C4", "C5"]
    assert found.criteria[0] == found.paper == "lrp" and found.alpha == 0.05 and "bibtex" in found.source
    assert found.claims[0].rivals == ("weight", "gradient", "taylor")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparison": "best"}, "claim C1: comparison is 'best'; allowed are better_than"),
        ({"measure": "accuracy"}, "claim C1: measure is 'accuracy'; allowed are mean_accuracy_over_rate"),
        ({"branch": "later"}, "claim C1: branch is 'later'; allowed are fewshot, retrain"),
        ({"test": "t"}, "claim C1: test is 't'; allowed are sign, wilcoxon, permutation"),
        ({"test": ["sign"]}, "claim C1: test is"),
        ({"judged_for": "everyone"}, "claim C1: judged_for is 'everyone'; allowed are tested, all, first"),
        ({"rivals": None}, "also needs rivals"),
        ({"rivals": "taylor"}, "claim C1: 'rivals' is 'taylor'; it is a list of names"),
        ({"rivals": []}, "claim C1: 'rivals' is"),
        ({"rivals": ["taylor", "taylor"]}, "it names one twice"),
        ({"samples_at_most": 0}, "claim C1: samples_at_most is 0; allowed is a whole number"),
        ({"margin": "much"}, "claim C1: margin is 'much'; allowed is a number"),
        ({"margin": float("nan")}, "claim C1: margin is nan; allowed is a number"),
        ({"from_rate": 0.1}, r"unknown key\(s\) from_rate; a claim of the kind better_than has"),
        ({"strongest": True}, r"unknown key\(s\) strongest"),
        ({"ours": "yes"}, "ours is 'yes'; allowed are True, False"),
        ({"magin": 0.1}, r"unknown key\(s\) magin"),
        ({"margin": -0.1}, "margin is -0.1; it is a distance"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"alpha": "small"}, "alpha is 'small'; allowed is a number"),
        ({"criteria": []}, "'criteria' is"),
        ({"criteria": "lrp"}, "'criteria' is 'lrp'; it is a list of names"),
        ({"id": "C2"}, "are not all different"),
        ({"claims": ["words"]}, "claim 1: 'words' is no mapping"),
        ({"claims": "none"}, "a list 'claims'"),
    ],
)
def test_a_mistake_is_named(tmp_path, changes, message):
    with pytest.raises(SecateurError, match=message):
        claims.read(edited(tmp_path, **changes))


@pytest.mark.parametrize(
    ("number", "changes", "message"),
    [
        (1, {"id": "C1s"}, "are not all different .a claim against rivals has a second id"),
        (2, {"from_rate": 1.0}, "claim C3: from_rate is 1.0; it is a share of units"),
        (2, {"measure": "mean_accuracy_over_rate"}, "allowed are accuracy_at_rate, worst_class_at_rate"),
        (2, {"rivals": ["weight"]}, r"unknown key\(s\) rivals; a claim of the kind keeps has"),
        (3, {"limit": 0}, "claim C4: limit is 0.0; it is a cost, above 0"),
        (3, {"measure": "accuracy_at_rate"}, "allowed are ratio_to_gradient, seconds, peak_bytes"),
        (4, {"families": None}, "claim C5: a claim of the kind equivalent also needs families"),
        (4, {"families": [3]}, "claim C5: 'families' is .3.; it is a list of names"),
        (4, {"options": "rule"}, "claim C5: 'options' is 'rule'; it is a list of names"),
        (4, {"margin": 0}, "claim C5: margin is 0; nothing measured is equal to that"),
    ],
)
def test_a_mistake_in_a_claim_of_another_kind_is_named(tmp_path, number, changes, message):
    with pytest.raises(SecateurError, match=message):
        claims.read(edited(tmp_path, number, **changes))


def test_a_missing_or_broken_file_is_an_error(tmp_path):
    with pytest.raises(SecateurError, match="not a readable YAML file"):
        claims.read(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("claims: [")
    with pytest.raises(SecateurError, match="not a readable YAML file"):
        claims.read(tmp_path / "broken.yaml")


RAW = {"criterion": "taylor", "normalisation": "none"}


def test_a_run_is_held_against_the_claims_for_the_criteria_that_it_has():
    every = claims.read(PUBLISHED)
    found = forms.of_run(every, synthetic.entries(("weight", "lrp_epsilon")))
    assert found.criteria == ("lrp_epsilon",) and found.paper == "lrp" and found.run == ("weight", "lrp_epsilon")
    none = forms.of_run(every, synthetic.entries(("weight",)))
    assert none.criteria == every.criteria, "each is undecided then"
    assert forms.of_run(every, []) == every
    (c3,) = (claim for claim in found.claims if claim.id == "C3")
    assert forms.criteria_of(c3, found) == ("lrp_epsilon", "weight")
    assert forms.criteria_of(c3, every, {"weight", "apoz"}) == ("lrp", "lrp_epsilon", "apoz", "weight")


def test_rivals_are_entries_as_published_and_in_every_form():
    run = synthetic.entries(
        ("weight", "gradient", "lrp"), taylor_raw=RAW, plain={"criterion": "taylor"},
        taylor_once={"criterion": "taylor", "ranking": "once"}, taylor_lrp={"criterion": "lrp"},
        stale={"criterion": "taylor", "batch_norm": "running"},
    )  # fmt: skip
    by_id = {claim.id: claim for claim in forms.of_run(claims.read(PUBLISHED), run).claims}
    assert by_id["C1"].rivals == by_id["C2"].rivals == ("weight", "gradient", "plain")
    assert by_id["C1s"].rivals == by_id["C2s"].rivals == ("weight", "gradient", "taylor_raw", "plain", "taylor_once")
    assert by_id["C1s"].strongest and by_id["C1s"].ours and not by_id["C1"].strongest
    renamed = forms.of_run(claims.read(PUBLISHED), synthetic.entries(("lrp",), weight=RAW | {"criterion": "weight"}))
    assert renamed.claims[0].rivals == ("weight", "gradient", "taylor"), "none is there as published"


def test_forms_of_lrp_choose_a_rule_and_how_relevance_is_added_up_and_nothing_else():
    run = synthetic.entries(
        ("lrp", "lrp_epsilon", "lrp_class"),
        gamma={"criterion": "lrp", "options": {"rule": {"rule": "gamma"}}},
        summed={"criterion": "lrp_epsilon", "options": {"aggregation": "sum", "epsilon": 0.1}},
        contrast={"criterion": "lrp", "options": {"start": "softmax-contrast"}},
        normed={"criterion": "lrp", "normalisation": "l2"},
        tuned={"criterion": "lrp", "tune": {"options": {"rule": ["epsilon"]}}},
    )  # fmt: skip
    (c5,) = (claim for claim in forms.of_run(claims.read(PUBLISHED), run).claims if claim.id == "C5")
    assert c5.rivals == ("lrp_epsilon", "gamma", "summed")


def test_an_entry_with_the_papers_name_and_choices_of_its_own_is_not_the_papers():
    run = synthetic.entries(("weight",), lrp={"criterion": "lrp", "options": {"rule": "epsilon"}})
    assert forms.of_run(claims.read(PUBLISHED), run).criteria == ("lrp", "lrp_epsilon")  # neither is in the run
    run += synthetic.entries((), zplus={"criterion": "lrp"})
    found = forms.of_run(claims.read(PUBLISHED), run)
    assert found.criteria == ("zplus",) and found.paper == "zplus"
