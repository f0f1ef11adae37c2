"""Batch-norm's running statistics: PyTorch's own function is the oracle; stale ones are told from a network's own."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from secateur.models.inputs import equal_batches
from secateur.models.statistics import accuracy_in_both_modes, normalisations, reestimate


def network(dropout: float = 0.0, norm: bool = True) -> nn.Sequential:
    """Two convolutions, each with batch-norm, with random weights and statistics of nothing in particular."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6, momentum=0.3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, 3),
    ]  # fmt: skip
    found = nn.Sequential(*[layer for layer in layers if norm or not isinstance(layer, nn.BatchNorm2d)])
    for module in normalisations(found):
        module.running_mean.normal_(3.0)
        module.running_var.uniform_(5.0, 9.0)
        module.num_batches_tracked += 7
    return found


IMAGES = torch.randn(48, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 + 0.5
LABELS = torch.randint(3, (48,), generator=torch.Generator().manual_seed(2))


def test_without_dropout_it_is_pytorchs_own_estimate():
    ours, theirs = network(), network()
    reestimate(ours, IMAGES, 16)
    update_bn(IMAGES.split(16), theirs)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert [module.momentum for module in normalisations(ours)] == [0.1, 0.3]
    assert not any(module.training for module in ours.modules())


def test_one_batch_of_all_images_gives_their_mean_and_variance():
    ours = network()
    reestimate(ours, IMAGES, len(IMAGES))
    first = ours[0](IMAGES)
    assert torch.allclose(ours[1].running_mean, first.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(ours[1].running_var, first.var((0, 2, 3)), rtol=1e-5)


def test_dropout_stays_silent_and_draws_nothing():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    ours, whole, theirs = network(0.5), network(0.0), network(0.5)
    torch.set_rng_state(state)
    reestimate(ours, IMAGES, 16)
    assert torch.equal(torch.get_rng_state(), state)
    reestimate(whole, IMAGES, 16)
    update_bn(IMAGES.split(16), theirs)
    assert torch.equal(ours[5].running_var, whole[5].running_var)
    assert not torch.allclose(theirs[5].running_var, whole[5].running_var, rtol=0.05), "noise would widen it"


def test_a_network_without_batch_norm_is_not_even_run():
    plain = network(norm=False)
    before = copy.deepcopy(plain.state_dict())
    plain.forward = None  # type: ignore[assignment]
    reestimate(plain.train(), IMAGES, 16)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert not plain.training


def test_both_modes_differ_by_stale_statistics_alone():
    """Labels are what the network says with statistics of its own: it is right by them, and wrong by stale ones."""
    own = network()
    reestimate(own, IMAGES, len(IMAGES))
    labels = own(IMAGES).argmax(1)
    assert len(labels.unique()) > 1
    assert accuracy_in_both_modes(own, IMAGES, labels, len(IMAGES)) == (1.0, pytest.approx(1.0, abs=0.05))
    stale = network()
    before = copy.deepcopy(stale.state_dict())
    by_running, by_batches = accuracy_in_both_modes(stale, IMAGES, labels, len(IMAGES))
    assert by_batches == pytest.approx(1.0, abs=0.05) and by_running < 0.8
    assert all(torch.equal(value, before[name]) for name, value in stale.state_dict().items())
    assert not any(module.training for module in stale.modules())
    reestimate(stale, IMAGES, len(IMAGES))
    assert accuracy_in_both_modes(stale, IMAGES, labels, len(IMAGES))[0] == 1.0


def test_without_batch_norm_both_modes_are_one():
    plain = network(dropout=0.9, norm=False)
    first, second = accuracy_in_both_modes(plain.train(), IMAGES, LABELS, 16)
    assert first == second == float((plain.eval()(IMAGES).argmax(1) == LABELS).double().mean())


@pytest.mark.parametrize(("count", "size"), [(65, 64), (64, 64), (405, 64), (3, 2), (1, 5), (7, 100)])
def test_batches_are_equally_large_and_cover_everything_once(count, size):
    found = equal_batches(count, size)
    assert [place for start, end in found for place in range(start, end)] == list(range(count))
    sizes = [end - start for start, end in found]
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1
