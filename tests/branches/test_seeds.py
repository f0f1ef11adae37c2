"""Seeds that share what the config says they share: heads, reference images, backbones, training and test images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur import varying
from secateur.branches.fewshot import fewshot
from secateur.branches.ranking import rank_study
from secateur.branches.study import Study, open_study
from secateur.errors import SecateurError
from secateur.models import backbones, transfer, weights
from secateur.varying import number

SEEDS = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    return {name: prepared(name, folder) for name in ("digits_source", "digits_target")}


def of(vary: list[str], draws: int = 0) -> dict:
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given |= {"training": {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}, "variance": {"draws": draws}}
    return configuration.resolve(given | {"seeds": SEEDS, "vary": vary})


def made(config: dict, data: dict[str, Path], folder: Path, seeds: range = range(SEEDS)) -> tuple[Study, Path]:
    """The study with its models, and its reference samples, from backbones as the workflow makes them."""
    names = [varying.draw_of(config, "pretraining", seed) for seed in seeds]
    paths = [folder / f"b{name}.safetensors" for name in names]
    for name, path in dict(zip(names, paths, strict=True)).items():
        draw = name if "pretraining" in config["vary"] else None
        backbones.make(config, "vgg_small", data["digits_source"], folder, path, folder / "b.json", draw)
    models, samples = folder / "m.safetensors", folder / "s.csv"
    written = transfer.Transferred(models, samples, folder / "h.csv")
    transfer.transfer(config, "digits_vgg", seeds, data["digits_target"], paths, folder, written)
    return open_study(config, "digits_vgg", data["digits_target"], models), samples


def same_models(study: Study, one: int, other: int) -> bool:
    states = [weights.load(study.models, seed) for seed in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def drawn(samples: Path, seed: int) -> list[int]:
    table = pd.read_csv(samples)
    return table.loc[table["seed"] == seed, "index"].tolist()


def test_seeds_that_differ_in_reference_images_alone_have_one_network(data, tmp_path):
    study, samples = made(of(["references"]), data, tmp_path)
    assert same_models(study, 0, 1) and drawn(samples, 0) != drawn(samples, 1)


def test_seeds_that_differ_in_their_head_alone_have_the_same_reference_images(data, tmp_path):
    study, samples = made(of(["head"]), data, tmp_path)
    assert not same_models(study, 0, 1) and drawn(samples, 0) == drawn(samples, 1)


def test_with_one_backbone_a_seed_each_network_starts_from_its_own(data, tmp_path):
    study, samples = made(of(["pretraining"]), data, tmp_path)
    assert not same_models(study, 0, 1) and drawn(samples, 0) == drawn(samples, 1)
    paths = [tmp_path / f"b{draw}.safetensors" for draw in range(2)]
    with pytest.raises(SecateurError, match="2 files for 3 seeds; give one, or one for each"):
        written = transfer.Transferred(*[tmp_path / "none"] * 3)
        transfer.transfer(of(["pretraining"]), "digits_vgg", range(3), data["digits_target"], paths, tmp_path, written)


def images_of(study: Study, split: str) -> set[bytes]:
    return {image.tobytes() for image in getattr(study.dataset, f"{split}_inputs")[:]}


def test_where_the_split_varies_no_seed_is_tested_on_what_it_was_trained_on(data, tmp_path):
    study, samples = made(of(["split"]), data, tmp_path)
    given = open_study(of(["head"]), "digits_vgg", data["digits_target"], study.models)
    every = images_of(given, "train") | images_of(given, "test")
    tests = []
    for seed in range(SEEDS):
        here = study.of(seed)
        train, test = images_of(here, "train"), images_of(here, "test")
        assert not train & test and train | test == every
        tests.append(test)
        images, labels = here.references(samples, seed, "2")
        assert torch.equal(images[:], here.train_inputs[here.references_index(samples, seed, "2")])
        assert np.bincount(labels.numpy()).tolist() == [2] * len(study.dataset.classes)
    assert tests[0] != tests[1] != images_of(given, "test")
    assert study.of(0).of(1).dataset.test_labels.tolist() == study.of(1).dataset.test_labels.tolist()
    assert given.of(1) is given


def test_each_seeds_network_is_measured_on_its_own_test_images(data, tmp_path):
    study, samples = made(of(["split"]), data, tmp_path)
    scores, curves = tmp_path / "scores.safetensors", tmp_path / "c.parquet"
    rank_study(study, "weight", range(SEEDS), samples, scores)
    fewshot(study, "weight", range(SEEDS), scores, curves, tmp_path / "p.parquet")
    table = pd.read_parquet(curves)
    for seed in range(SEEDS):
        here = study.of(seed)
        with torch.no_grad():
            right = here.model(seed)(here.test_inputs[:]).argmax(1) == here.test_labels
        rows = table[(table["seed"] == seed) & (table["rate"] == 0)]
        assert set(rows["accuracy"]) == {float(right.double().mean())}


@pytest.mark.slow
def test_a_further_network_is_its_seeds_own_but_for_one_component(data, tmp_path):
    config = of(["head", "references"], draws=2)
    blocks = {"own": range(SEEDS)} | {name: range(number(0, name), number(2, name)) for name in ("head", "references")}
    studies = {}
    for name, seeds in blocks.items():
        (tmp_path / name).mkdir()
        studies[name] = made(config, data, tmp_path / name, seeds)
    (own, own_samples), (head, head_samples), (other, samples) = studies.values()
    for seed in range(SEEDS):
        assert drawn(head_samples, number(seed, "head")) == drawn(own_samples, seed)
        assert drawn(samples, number(seed, "references")) != drawn(own_samples, seed)
        first, anew = weights.load(own.models, seed), weights.load(other.models, number(seed, "references"))
        assert all(torch.equal(first[name], anew[name]) for name in first)
        anew = weights.load(head.models, number(seed, "head"))
        assert any(not torch.equal(first[name], anew[name]) for name in first)
    scores, curves = tmp_path / "scores.safetensors", tmp_path / "c.parquet"
    rank_study(other, "random", blocks["references"], samples, scores)
    fewshot(other, "random", blocks["references"], scores, curves, tmp_path / "p.parquet")
    table = pd.read_parquet(curves)
    assert set(table["varied"]) == {"references"} and set(table["seed"]) == {0, 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vary": ["heads"]}, "vary.0"),
        ({"vary": []}, "vary"),
        ({"vary": ["head", "head"]}, "vary"),
        ({"vary": "head"}, "vary"),
        ({"variance": {"draws": 3}}, "variance.draws: 3 networks .* there are 2 seeds; allowed are 0 to 2"),
        ({"variance": {"drawn": 1}}, "drawn"),
        ({"vary": ["pretraining"], "hub": True}, "vary: pretraining asked for, but .* of backbone 'vgg_small'"),
    ],
)
def test_a_mistake_names_the_key(changes, words):
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    if "hub" in changes:
        given["backbones"]["vgg_small"]["weights"] = "hub"
    with pytest.raises(SecateurError, match=words):
        configuration.resolve(given | {"seeds": SEEDS} | {key: changes[key] for key in changes if key != "hub"})


def test_a_backbone_with_given_weights_has_one_draw(tmp_path):
    config = of(["head"])
    config["backbones"]["vgg_small"]["weights"] = {"hub": "main"}
    with pytest.raises(SecateurError, match="there is one draw of them"):
        backbones.make(config, "vgg_small", None, tmp_path, tmp_path / "b", tmp_path / "a", 1)
