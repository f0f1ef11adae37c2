"""Scores of channels of attention heads: gates, removals, relevance by other means, and who has none for them."""

import pytest
import torch
from attention_networks import fused, image_size, network
from tests.tiers import rows
from torch.nn import functional as F

import secateur
from secateur.criteria import grasp, group_norm, head_gate, lrp, oracle, oracle_joint, taylor, wanda
from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import find_unit_groups, layers_of
from secateur.ranking.network import Network

LABELS = torch.tensor([0, 3, 1])


def given(family, way=True, scope="head_channels"):
    model, size = fused(network(family), way), image_size(family)
    inputs = torch.rand(3, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    groups = find_unit_groups(model, inputs, scope)
    return model, inputs, groups, Network(model, layers_of(groups), inputs, LABELS, groups=groups, batch_size=2)


def scored(criterion, groups, view, **options):
    return unit_scores(groups, criterion.score(view, **options), combine=getattr(criterion, "COMBINE", "sum"))


def losses(model, inputs):
    with torch.no_grad():
        return F.cross_entropy(model(inputs), LABELS, reduction="none")


def rows_of(channel, size=8, heads=3):
    """Rows of timm's `qkv` that make one channel: of 3 parts, each head's."""
    return [(part * heads + head) * size + channel for part in range(3) for head in range(heads)]


def times(layer, rows, factor):
    for tensor in (layer.weight, layer.bias):
        tensor.data[rows] *= factor


@pytest.mark.parametrize("cached", [False, True])
def test_gate_gradient_is_the_slope_of_the_loss_as_queries_keys_and_values_fade(cached):
    model, inputs, groups, view = given("vit")
    found = scored(head_gate, groups, view.cached() if cached else view)
    step = 1e-5
    for group in groups:
        layer = model.get_submodule(group.name)
        for channel in (0, 5):
            kept, seen = {name: tensor.clone() for name, tensor in layer.state_dict().items()}, []
            for factor in (1 + step, 1 - step):
                times(layer, rows_of(channel), factor)
                seen.append(losses(model, inputs))
                layer.load_state_dict(kept)
            slope = float(((seen[0] - seen[1]) / (2 * step)).abs().mean())
            assert abs(float(found[group.name][channel]) - slope) < 1e-5 * float(found[group.name].max())


def test_the_oracle_is_the_change_of_the_loss_without_the_rows():
    model, inputs, groups, view = given("vit")
    found = scored(oracle, groups, view)
    whole = losses(model, inputs).mean()
    for channel in (1, 7):
        layer = model.blocks[1].attn.qkv
        kept = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
        times(layer, rows_of(channel), 0)
        change = losses(model, inputs).mean() - whole
        layer.load_state_dict(kept)
        assert abs(float(found["blocks.1.attn.qkv"][channel] - change)) < 1e-12


@pytest.mark.parametrize("family", ["vit", "beit"])
def test_the_joint_oracle_is_the_literal_greedy_search(family):
    """Also where the module's own code applies its weight, so that no call of the layer says what to begin from."""
    model, inputs, groups, view = given(family)
    found = scored(oracle_joint, groups, view)
    gone = {group.name: [] for group in groups}
    for place in range(4):
        tried = {}
        for group in groups:
            for unit in set(range(group.size)) - set(gone[group.name]):
                with masked(model, groups, gone | {group.name: [*gone[group.name], unit]}):
                    tried[group.name, unit] = float(losses(model, inputs).mean())
        name, unit = min(tried, key=tried.__getitem__)
        gone[name].append(unit)
        assert int(found[name][unit]) == place


def test_relevance_of_a_unit_is_that_of_its_queries_keys_and_values():
    model, _, groups, view = given("vit")
    layer = "blocks.0.attn.qkv"
    times(model.get_submodule(layer), rows_of(2), 0)
    for rule in ("attnlrp", "cp-lrp"):
        scores = lrp.score(view, rule=rule)[layer]
        (found,) = (each[layer] for each in view.cached().relevance(rule))
        of_queries = found[:, :48].abs().sum()
        assert (of_queries == 0) if rule == "cp-lrp" else (of_queries > 0)
        unit = unit_scores(groups, dict.fromkeys(layers_of(groups), scores))[layer]
        by_hand = torch.stack([scores[rows_of(channel)].sum() for channel in range(8)])
        torch.testing.assert_close(unit, by_hand)
        assert float(unit[2]) == 0 and int((unit == 0).sum()) == 1


@pytest.mark.parametrize("way", [False, True])
@pytest.mark.parametrize("criterion", [grasp, group_norm, taylor])
def test_scores_are_the_same_with_attention_fused_and_not(criterion, way):
    _, _, groups, view = given("vit", way)
    _, _, _, plain = given("vit", False)
    found, expected = scored(criterion, groups, view), scored(criterion, groups, plain)
    for group in groups:
        assert float(expected[group.name].std()) > 0
        torch.testing.assert_close(found[group.name], expected[group.name], rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "criterion", ["wanda", "flap", "obs", "reconstruction", "head_relevance", "attention_relevance"]
)
def test_a_criterion_of_the_layers_that_read_a_unit_says_that_there_are_none(criterion):
    model, inputs, _, _ = given("vit")
    with pytest.raises(SecateurError, match=f"{criterion}.*queries are multiplied with keys before any layer reads"):
        secateur.rank(model, inputs, LABELS, criterion=criterion, scope="head_channels")
    assert wanda.score(given("vit", scope="heads")[3])


@pytest.mark.parametrize("remedy", rows(["none", "bias", "least_squares"], ["bias"]))
def test_a_network_is_pruned_and_repaired_in_one_call(remedy):
    model, inputs, groups, _ = given("swin")
    pruned = secateur.prune(model, inputs, LABELS, criterion="lrp", rate=0.5, scope="head_channels", remedy=remedy)
    total = sum(group.size for group in groups)
    assert sum(units["removed"] for units in pruned.report.units.values()) == round(0.5 * total)
    assert {units["kind"] for units in pruned.report.units.values()} == {"head_channel"}
    assert pruned.report.difference < 1e-12 and bool(torch.isfinite(pruned(inputs)).all())
    assert pruned.report.counts.after.macs < pruned.report.counts.before.macs
