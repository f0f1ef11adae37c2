"""A recipe of retraining is chosen by the rule of docs/recipes.md, on images that no network was trained on."""

import numpy as np
import pandas as pd
import pytest
import recipes
import yaml
from tests.prepared import study_of

from secateur import config as configuration
from secateur.models import inputs, transfer


def measured(gains: dict[tuple[int, float], tuple[float, float]], study: str = "one") -> pd.DataFrame:
    """Recipe → gains of the better criterion at two rates; the other gains nothing and is worse."""
    return pd.DataFrame(
        [
            {"epochs": epochs, "learning_rate": learning_rate, "study": study, "criterion": criterion, "seed": seed,
             "rate": rate, "with": 0.5 + worse + (gain if criterion == "good" else -0.3), "without": 0.5 + worse}
            for (epochs, learning_rate), both in gains.items()
            for criterion, worse in (("good", 0.2), ("bad", 0.0))
            for seed in range(2)
            for rate, gain in zip((0.3, 0.6), both, strict=True)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gains", "taken"),
    [
        ({(1, 0.001): (-0.02, 0.2), (1, 0.0003): (-0.01, 0.1), (2, 0.001): (0.01, 0.3)}, (1, 0.0003)),
        ({(1, 0.001): (-0.02, 0.2), (2, 0.003): (0.0, 0.1), (2, 0.001): (0.0, 0.2)}, (2, 0.001)),
        ({(1, 0.001): (0.3, -0.011)}, None),
    ],
)
def test_the_fewest_epochs_that_do_no_harm_then_the_most_accurate(gains, taken):
    found = recipes.judged(measured(gains))
    assert set(found["criterion"]) == {"good"}, "the best criterion with retraining"
    assert found["difference"].tolist() == pytest.approx([min(gains[key]) for key in sorted(gains)])
    assert recipes.chosen(found) == taken


def test_a_recipe_must_do_no_harm_in_any_study():
    gains = {(1, 0.001): (0.1, 0.2), (2, 0.001): (0.1, 0.1)}
    other = measured({(1, 0.001): (-0.05, 0.4), (2, 0.001): (0.0, 0.1)}, "two")
    found = recipes.judged(pd.concat([measured(gains), other]))
    assert recipes.chosen(found) == (2, 0.001)
    page = recipes.section("mine", found, (2, 0.001), "How.")
    assert "Taken: 2 epochs at 0.001." in page and "| **2** | **0.001** | two | good |" in page
    assert "None of these passes." in recipes.section("mine", found, None, "How.")


def test_a_section_of_the_page_is_replaced_or_added():
    text = recipes.page("# Page\n", "one", "<!-- one -->\n## one\n\nold\n")
    text = recipes.page(text, "two", "<!-- two -->\n## two\n")
    assert recipes.page(text, "one", "<!-- one -->\n## one\n\nnew\n") == text.replace("old", "new")


def test_the_page_says_what_the_configs_hold():
    """The recipe in bold is the config's: a config that is changed without the search is noticed."""
    text = recipes.PAGE.read_text(encoding="utf-8")
    sections = {part.partition(" -->")[0]: part for part in text.split("<!-- ")[1:]}
    assert {"demo", "zoo", "ablations", "first_order", "scene15_local"} <= set(sections)
    for name, part in sections.items():
        config = configuration.read(configuration.REPOSITORY / "config" / f"{name}.yaml")
        recipe = config["retrain"]["finetune"]
        assert f"Taken: {recipes.said(recipe['epochs'], recipe['learning_rate'])}." in part, name
        assert all(study in part for study in config["studies"]), name


@pytest.mark.slow
def test_only_images_that_the_transfer_held_out_are_looked_at(tmp_path, monkeypatch):
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    config = configuration.resolve(given | {"training": given["training"] | {"validation": 0.2}})
    study, samples = study_of(config, 2, tmp_path)
    monkeypatch.setattr(recipes, "EPOCHS", (1, 2))
    monkeypatch.setattr(recipes, "LEARNING_RATES", (0.001,))
    _, held_out = transfer.parts(config, study.name, study.dataset.train_labels, 1)
    unseen = recipes.validated(study, 1)
    assert np.array_equal(unseen.test_labels, study.dataset.train_labels[held_out])
    original = inputs.images
    refused = lambda data, split, on: original(data, split, on) if split == "train" else pytest.fail(split)  # noqa: E731
    monkeypatch.setattr(inputs, "images", refused)
    own, two = recipes.measure([(study, 0, samples), (study, 1, samples)], ["weight"])
    assert own["epochs"].unique() == [1] and two["epochs"].unique() == [2], "the config's recipe is tried first, once"
    assert not two["with"].equals(own["with"]) and two["without"].equals(own["without"])
    accuracy = recipes.retrained(unseen, "weight", 1, samples)
    assert own.loc[own["seed"] == 1, "with"].tolist() == list(accuracy.values())
