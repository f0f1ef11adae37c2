"""The gallery: mistakes are those of the network that the few-shot branch measured, maps those of the criterion."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import study_of

from secateur import config as configuration
from secateur.branches.fewshot import fewshot
from secateur.branches.gallery import gallery, in_turn, reduced, scaled
from secateur.branches.ranking import rank_study
from secateur.ranking.network import Network


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny study, its gallery, and the curves of the same rankings."""
    folder = tmp_path_factory.mktemp("gallery")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given |= {"criteria": ["weight", "lrp", "lrp_epsilon"], "gallery": {"images": 3, "wrong": 6, "rate": 0.5}}
    config = configuration.resolve(given)
    study, samples = study_of(config, 1, folder)
    rankings = {}
    for name in ("weight", "lrp", "lrp_epsilon"):
        rankings[name] = folder / f"{name}.safetensors"
        rank_study(study, name, range(1), samples, rankings[name])
        fewshot(study, name, range(1), rankings[name], folder / f"{name}.curves", folder / f"{name}.profiles")
    gallery(study, 0, samples, rankings, folder / "gallery.npz")
    with np.load(folder / "gallery.npz", allow_pickle=False) as opened:
        return study, folder, {name: opened[name] for name in opened.files}


def test_the_number_of_mistakes_is_that_of_the_curves(made):
    _, folder, arrays = made
    for name in ("weight", "lrp", "lrp_epsilon"):
        curves = pd.read_parquet(folder / f"{name}.curves")
        (row,) = curves[(curves["rate"] == 0.5) & (curves["samples_per_class"] == "1")].to_dict("records")
        assert arrays[f"wrong/{name}/count"] == round((1 - row["accuracy"]) * row["test_samples"])


def test_what_is_shown_was_right_before_and_is_wrong_now(made):
    study, _, arrays = made
    model = study.model(0)
    with torch.no_grad():
        right = (model(study.test_inputs[:]).argmax(1) == study.test_labels).numpy()
    stored = np.asarray(study.dataset.test_inputs)
    for name in ("weight", "lrp"):
        images, labels = arrays[f"wrong/{name}/images"], arrays[f"wrong/{name}/labels"]
        assert 0 < len(images) <= 6 and (labels != arrays[f"wrong/{name}/predictions"]).all()
        for image, label in zip(images, labels, strict=True):
            places = np.flatnonzero((stored == image).all(axis=(1, 2, 3)))
            truth = {study.dataset.classes[int(study.test_labels[place])] for place in places if right[place]}
            assert label in truth


def test_the_maps_are_the_relevance_that_each_lrp_criterion_ranks_by(made):
    study, folder, arrays = made
    assert {name for name in arrays if name.startswith("map/")} == {"map/lrp", "map/lrp_epsilon"}
    index = study.references_index(folder / "samples.csv", 0, "1")[:3]
    network = Network(study.model(0), [], study.train_inputs[index], study.train_labels[index])
    for name, rule in (("lrp", "zplus"), ("lrp_epsilon", {"rule": "epsilon", "epsilon": 1e-6})):
        (relevance,) = network.input_relevance(rule)
        expected = scaled(relevance.sum(1))
        assert np.allclose(arrays[f"map/{name}"], expected, atol=1e-5) and np.abs(expected).max() == 1
    assert (arrays["reference/images"] == study.dataset.train_inputs[index]).all()
    assert len(set(arrays["reference/labels"])) == 3


def test_classes_take_turns_and_the_surest_comes_first():
    labels, values = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0.5, 0.9, 0.7, 0.6, -1.0, 0.8])
    assert in_turn(labels, values, 9).tolist() == [1, 3, 5, 2, 0]
    assert in_turn(labels, values, 2).tolist() == [1, 3]
    assert in_turn(labels, torch.full((6,), -1.0), 4).tolist() == []


def test_large_images_are_reduced_and_small_ones_are_not():
    photographs = np.full((2, 300, 150, 3), 7, np.uint8)
    assert reduced(photographs, 100).shape == (2, 100, 50, 3) and (reduced(photographs, 100) == 7).all()
    assert reduced(photographs, 300).shape == photographs.shape


def test_of_a_map_the_strongest_pixels_are_at_the_ends_of_the_scale():
    ascending = torch.arange(1.0, 101).reshape(10, 10)
    found = scaled(torch.stack([ascending, -3 * ascending, torch.zeros(10, 10)]))
    assert found.min() == -1 and (found[2] == 0).all()
    assert ((found[0] == 1).sum(), (found[1] == -1).sum()) == (3, 3), "three of a hundred"
    assert np.allclose(found[0].ravel()[:97], np.arange(1, 98) / (97 + 0.03), atol=1e-4)
    assert np.allclose(found[0], -found[1])
