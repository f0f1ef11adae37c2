"""The training loop: recipes do what they say, the validation part decides, and a killed training goes on exactly."""

import itertools
import math

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from secateur.config import REPOSITORY, resolve
from secateur.data import validation
from secateur.errors import SecateurError
from secateur.models import augmentation, build, evaluation, training
from secateur.models.checkpoint import Checkpoint, fingerprint

TINY = yaml.safe_load((REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
RECIPE = resolve(TINY)["training"]["transfer"] | {"epochs": 4, "batch_size": 8, "learning_rate": 0.01}
PLAIN = {"flip": False, "shift": 0, "zoom": 1}
SMALL = {"architecture": "vgg_small", "arguments": {"drop_rate": 0.3}}
RESIDUAL = {"architecture": "resnet18", "arguments": {"channels": [4, 8, 8, 8]}}


def problem(samples=24, size=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % 3
    return torch.randn(samples, 1, size, size, generator=generator) + labels.view(-1, 1, 1, 1) / 2, labels


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Killed(BaseException):
    """Stands for a signal: nothing on the way may catch it."""


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"optimizer": "sgd", "schedule": "linear", "augmentation": {"flip": True, "shift": 0.2, "zoom": 0.5}},
        {"freeze": True, "schedule": "constant", "label_smoothing": 0.1},
    ],
)
@pytest.mark.parametrize("held_out", [True, False])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch, changed, held_out):
    images, labels = problem()
    other = problem(9, seed=1) if held_out else None
    recipe = RECIPE | changed

    def run(checkpoint):
        network = build.create(SMALL, 3, 1, 0)
        found = training.train(network, images, labels, recipe, 5, validation=other, checkpoint=checkpoint)
        return state(network), found

    whole, said = run(None)
    original, calls = training._epoch, []

    def killed(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 3:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(training, "_epoch", killed)
    path = tmp_path / "0.pt"
    with pytest.raises(Killed):
        run(Checkpoint(path, "a", seconds_between=0))
    before = torch.get_rng_state()
    resumed, again = run(Checkpoint(path, "a", seconds_between=0))
    assert torch.equal(before, torch.get_rng_state())
    assert calls == [0, 1, 2, 2, 3], "only the epoch that was killed is done again"
    assert equal(whole, resumed) and repr(said) == repr(again)
    finished, _ = run(Checkpoint(path, "a", seconds_between=0))
    assert len(calls) == 5 and equal(whole, finished), "a finished training is only read"
    run(Checkpoint(path, "b", seconds_between=0))
    assert calls[5:] == [0, 1, 2, 3], "a state that belongs to something else is not used"


def test_a_damaged_state_is_not_used_and_a_young_one_not_replaced(tmp_path):
    checkpoint = Checkpoint(tmp_path / "0.pt", "a", seconds_between=1000)
    assert checkpoint.load() is None and not checkpoint.due()
    checkpoint.save({"chosen": 1, "best": {"weight": torch.ones(3)}})
    assert torch.equal(checkpoint.load()["best"]["weight"], torch.ones(3))
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-30])
    assert checkpoint.load() is None
    assert fingerprint(["a", "b"]) == fingerprint(["a", "b"]) != fingerprint(["a", "c"])


def test_the_validation_part_chooses_the_epoch_and_its_weights_are_kept():
    images, labels = problem()
    pictures, truth = problem(30, seed=2)
    held_out = (pictures, (truth + 1) % 3)  # wrong labels: the better the training, the worse the validation
    network = build.create(RESIDUAL, 3, 1, 0)
    recipe = RECIPE | {"epochs": 8, "learning_rate": 0.05, "schedule": "constant"}
    epochs, chosen = training.train(network, images, labels, recipe, 1, validation=held_out)
    best = max(epochs, key=lambda row: (row.validation_accuracy, -row.validation_loss))
    assert [row.epoch for row in epochs] == list(range(1, 9)) and chosen == best.epoch < 8
    found = evaluation.evaluate(network, *held_out, 3)
    assert (found.accuracy, found.loss) == (best.validation_accuracy, best.validation_loss)

    other = build.create(RESIDUAL, 3, 1, 0)
    last, number = training.train(other, images, labels, recipe, 1)
    assert number == 8 and math.isnan(last[0].validation_loss)
    assert [row.loss for row in last] == [row.loss for row in epochs], "measuring changes nothing"


def test_of_equal_epochs_the_lower_loss_counts_then_the_first():
    epoch = training.Epoch
    assert training._better(epoch(2, 0, 0.5, 1.0), epoch(1, 0, 0.5, 1.1))
    assert not training._better(epoch(2, 0, 0.5, 1.0), epoch(1, 0, 0.5, 1.0))
    assert not training._better(epoch(2, 0, 0.4, 0.1), epoch(1, 0, 0.5, 1.0))
    assert not training._better(epoch(2, 0, 0.5, math.nan), epoch(1, 0, 0.5, 1.0))


def test_a_frozen_backbone_stays_as_it_was_to_the_last_statistic():
    images, labels = problem()
    network = build.create(RESIDUAL, 3, 1, 0)
    before = state(network)
    training.train(network, images, labels, RECIPE | {"freeze": True}, 0)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert all(parameter.requires_grad for parameter in network.parameters()) and not network.training


@pytest.mark.parametrize(("schedule", "halfway"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_learning_rates_rise_and_fall(schedule, halfway):
    rates = [training._factor({"schedule": schedule}, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 11 for step in range(1, 11)])
    assert rates[10] == 1 and rates[55] == pytest.approx(halfway)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_one_step_is_that_of_the_optimizer_by_hand(optimizer):
    images, labels = problem(8)
    recipe = RECIPE | {"epochs": 1, "optimizer": optimizer, "weight_decay": 0.0, "schedule": "constant"}
    network, by_hand = (build.create(RESIDUAL, 3, 1, 0) for _ in range(2))
    training.train(network, images, labels, recipe, 0)
    by_hand.train()
    order = torch.randperm(8, generator=training._generator(0, "order", 0))
    torch.nn.functional.cross_entropy(by_hand(images[order]), labels[order]).backward()
    rate = 0.01 * training._factor(recipe, 0, 1)
    for (name, found), parameter in zip(network.named_parameters(), by_hand.parameters(), strict=True):
        gradient = parameter.grad
        # Nesterov's first step is (1 + momentum) gradients; Adam's first step has the size of the rate.
        step = 1.9 * gradient if optimizer == "sgd" else gradient / (gradient.abs() + 1e-8)
        assert torch.allclose(found, parameter - rate * step, atol=1e-6), name


def test_nothing_asked_for_is_no_augmentation():
    assert augmentation.draw(PLAIN, 3, 8, torch.Generator()) is None


def test_mirrored_and_shifted_images_are_those_made_by_hand():
    size = 9
    images = torch.rand(64, 2, size, size, generator=torch.Generator().manual_seed(1))
    maps = augmentation.draw(PLAIN | {"flip": True, "shift": 0.25}, 64, size, torch.Generator().manual_seed(0))
    found = augmentation.apply(images, maps)
    shifts = (maps[:, :, 2] * size / 2).round().int()
    assert shifts.abs().max() == 2 and len(shifts.unique(dim=0)) > 10
    mirrored = maps[:, 0, 0] < 0
    assert 16 < mirrored.sum() < 48
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for image in range(64):
        x, y = (int(value) + 2 for value in shifts[image])
        by_hand = padded[image, :, y : y + size, x : x + size]
        if mirrored[image]:
            by_hand = padded[image, :, y : y + size, x : x + size].flip(-1)
        assert torch.allclose(found[image], by_hand, atol=1e-5)


def test_zoomed_squares_have_the_area_and_lie_inside():
    maps = augmentation.draw(PLAIN | {"zoom": 0.25}, 500, 16, torch.Generator().manual_seed(0))
    side = maps[:, 0, 0]
    assert torch.equal(side, maps[:, 1, 1])
    assert 0.25 <= (side**2).min() < 0.3 and 0.95 < (side**2).max() <= 1
    assert (maps[:, :, 2].abs() + side[:, None] <= 1 + 1e-6).all()


def test_augmentation_is_the_same_for_every_network_and_reaches_it():
    images, labels = problem()
    seen = []
    for width in (2, 5):

        class Recorder(torch.nn.Module):
            def __init__(self, width):
                super().__init__()
                self.layer, self.seen = torch.nn.Linear(256, width), []

            def forward(self, batch):
                self.seen.append(batch)
                return torch.nn.functional.dropout(self.layer(batch.flatten(1)), 0.5, self.training)

        network = Recorder(width + 3)
        training.train(network, images, labels, RECIPE | {"augmentation": PLAIN | {"shift": 0.2}}, 3)
        seen.append(torch.cat(network.seen))
    assert torch.equal(*seen)
    assert not torch.equal(seen[0][:24].sort(0).values, seen[0][24:48].sort(0).values), "each epoch has its own draws"


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    share=st.floats(0, 0.9),
    seed=st.integers(0, 5),
)
def test_the_held_out_part_is_stratified_and_disjoint(sizes, share, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    trained_on, held_out = validation.divide(labels, share, seed)
    assert sorted([*trained_on, *held_out]) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        found = int((labels[held_out] == label).sum())
        assert found == (min(max(1, round(share * size)), size - 1) if share else 0)
    again = validation.divide(labels, share, seed)
    assert np.array_equal(held_out, again[1])


def test_a_studys_own_recipe_stands_over_the_common_one():
    config = TINY | {
        "training": {"transfer": {"epochs": 7, "learning_rate": 0.5, "augmentation": {"flip": True}}},
        "studies": {
            "a": {"dataset": "digits_target", "backbone": "vgg_small", "transfer": {"epochs": 2, "freeze": True}},
            "b": {"dataset": "digits_target", "backbone": "vgg_small"},
        },
    }
    resolved = resolve(config)
    a, b = resolved["studies"]["a"]["transfer"], resolved["studies"]["b"]["transfer"]
    assert (a["epochs"], a["learning_rate"], a["freeze"], a["augmentation"]["flip"]) == (2, 0.5, True, True)
    assert b == resolved["training"]["transfer"] and b["epochs"] == 7
    assert resolve(resolved) == resolved
    config["studies"]["a"]["transfer"] = {"optimiser": "sgd"}
    with pytest.raises(SecateurError, match=r"studies\.a\.transfer: unknown key 'optimiser'.*'optimizer'"):
        resolve(config)
