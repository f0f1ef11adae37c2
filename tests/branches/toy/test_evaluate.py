"""Pruned networks evaluated in batches: the same as one by one, and as the network that is really smaller."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from secateur.branches.toy import evaluate, mlp
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups

HIDDEN = 24


def network(variant: str, seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mlp.build(3, variant, HIDDEN).eval()


def samples(seed: int, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, generator=generator), torch.randint(3, (count,), generator=generator)


def mask(seed: int, shares: list[float]) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    removed = torch.cat([torch.rand(HIDDEN, generator=generator) < share for share in shares])
    removed.view(3, HIDDEN)[:, 0] = False
    return removed


def smaller(model: nn.Sequential, removed: Tensor) -> nn.Module:
    groups = find_unit_groups(model, torch.zeros(1, 2))
    rows = removed.view(3, HIDDEN)
    chosen = {layer: rows[index].nonzero().squeeze(1).tolist() for index, layer in enumerate(mlp.HIDDEN_LAYERS)}
    return remove(model, groups, chosen)


@settings(max_examples=30, deadline=None)
@given(
    variant=st.sampled_from(mlp.VARIANTS),
    seed=st.integers(0, 1000),
    shares=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    tile=st.sampled_from([1, 4, 512]),
)
def test_logits_are_those_of_the_network_that_is_really_smaller(
    variant: str, seed: int, shares: list[float], tile: int
) -> None:
    model, removed = network(variant, seed), mask(seed, shares)
    inputs, labels = samples(seed, 17)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "TILE", tile)
        prepared = evaluate.prepare(evaluate.layers_of(model), [(inputs, labels)])
    with torch.no_grad():
        expected = smaller(model, removed)(inputs)
    torch.testing.assert_close(evaluate.logits(prepared, removed).T, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", mlp.VARIANTS)
def test_batched_is_one_by_one_is_really_removed(variant: str) -> None:
    model = network(variant, 3)
    sets = [samples(1, 40), samples(2, 25)]
    removals = [mask(seed, [0.3, 0.5, 0.2]) for seed in range(12)]
    prepared = evaluate.prepare(evaluate.layers_of(model), sets)
    batched = evaluate.accuracies(prepared, removals, {})
    assert batched == [evaluate.accuracies(prepared, [removed], {})[0] for removed in removals]
    for removed, found in zip(removals, batched, strict=True):
        assert found == [mlp.accuracy(smaller(model, removed), inputs, labels) for inputs, labels in sets]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 60), most=st.integers(1, 20), same=st.booleans())
def test_tiles_hold_every_sample_once(seed: int, count: int, most: int, same: bool) -> None:
    inputs = samples(seed, count)[0] * (0 if same else 1)
    tiles = evaluate.neighbours(inputs, most)
    assert torch.cat(tiles).sort().values.tolist() == list(range(count))
    assert max(map(len, tiles)) <= most


def test_equal_removal_sets_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Tensor] = []
    original = evaluate.logits

    def counted(prepared: evaluate.Prepared, removed: Tensor) -> Tensor:
        calls.append(removed)
        return original(prepared, removed)

    monkeypatch.setattr(evaluate, "logits", counted)
    prepared = evaluate.prepare(evaluate.layers_of(network("text", 0)), [samples(0, 10)])
    one, other = mask(1, [0.5] * 3), mask(2, [0.5] * 3)
    found = evaluate.accuracies(prepared, [one, other, one.clone(), one], {})
    assert len(calls) == 2
    assert found[0] == found[2] == found[3]
