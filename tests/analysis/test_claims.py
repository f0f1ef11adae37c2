"""The claims file: the published one is right, and mistakes in an edited one are named."""

from pathlib import Path

import pytest
import yaml

from secateur.analysis import claims
from secateur.errors import SecateurError

PUBLISHED = Path("config/claims.yaml")


def edited(tmp_path: Path, **changes) -> Path:
    found = yaml.safe_load(PUBLISHED.read_text())
    claim = found["claims"][0]
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
    assert [claim.id for claim in found.claims if not claim.ours] == ["C1", "C2", "C3", "C4"]
    assert found.criteria[0] == "lrp" and found.alpha == 0.05 and "bibtex" in found.source
    assert found.claims[0].rivals == ("weight", "gradient", "taylor")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparison": "best"}, "claim C1: comparison is 'best'; allowed are better_than"),
        ({"measure": "accuracy"}, "claim C1: measure is 'accuracy'; allowed are mean_accuracy_over_rate"),
        ({"branch": "later"}, "claim C1: branch is 'later'; allowed are fewshot, retrain"),
        ({"test": "t"}, "claim C1: test is 't'; allowed are sign, wilcoxon, permutation"),
        ({"rivals": None}, "also needs rivals"),
        ({"magin": 0.1}, r"unknown key\(s\) magin"),
        ({"margin": -0.1}, "margin is -0.1; it is a distance"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"criteria": []}, "'criteria' is"),
        ({"id": "C2"}, "are not all different"),
        ({"claims": ["words"]}, "claim 1: unknown key"),
        ({"claims": "none"}, "a list 'claims'"),
    ],
)
def test_a_mistake_is_named(tmp_path, changes, message):
    with pytest.raises(SecateurError, match=message):
        claims.read(edited(tmp_path, **changes))


def test_a_missing_or_broken_file_is_an_error(tmp_path):
    with pytest.raises(SecateurError, match="not a readable YAML file"):
        claims.read(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("claims: [")
    with pytest.raises(SecateurError, match="not a readable YAML file"):
        claims.read(tmp_path / "broken.yaml")


def test_a_run_is_held_against_the_claims_for_the_criteria_that_it_has():
    every = claims.read(PUBLISHED)
    assert claims.of_run(every, [{"name": "weight"}, {"name": "lrp_epsilon"}]).criteria == ("lrp_epsilon",)
    assert claims.of_run(every, [{"name": "weight"}]).criteria == every.criteria, "each is undecided then"
    assert claims.of_run(every, [{"name": "lrp"}]).claims == every.claims
