"""Views of a network against each other: classes, memories and odd layers give what the layers themselves give."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from tests.criteria.networks import LABELS, LAYERS, built, samples, view
from torch import nn

from secateur.pruning.units import find_unit_groups
from secateur.ranking.consumers import Consumers
from secateur.ranking.memory import joined
from secateur.ranking.network import Network


def test_classes_without_samples_are_left_out():
    network = view(built(), samples(), LABELS * 2)
    for asked in (network, network.cached()):
        assert [(label, part.samples) for label, part in asked.classes()] == [(0, 3), (2, 3), (4, 1)]


def test_rows_are_output_channels_also_where_the_weight_is_stored_inputs_first():
    model = nn.Sequential(nn.ConvTranspose2d(3, 2, 2, stride=2, bias=False)).double()
    network = Network(model, ["0"], torch.randn(2, 3, 4, 4).double())
    rows = model[0].weight.detach().transpose(0, 1).flatten(1)
    assert torch.equal(network.weight("0"), rows)
    assert torch.allclose(network.synaptic_flow()["0"], 16 * rows.abs())  # each weight meets each of 16 ones once
    assert network.bias("0").tolist() == [0, 0]


def test_reference_samples_come_in_the_types_of_the_network():
    network = view(built(), samples().float(), LABELS.int())
    inputs, labels = network.reference_samples()
    assert (inputs.dtype, labels.dtype) == (torch.float64, torch.int64)


def test_losses_of_removal_are_those_of_the_layers_asked_for():
    model, inputs = built(), samples()
    groups = find_unit_groups(model, inputs[:1])
    some = Network(model, ["two"], inputs, LABELS, groups=groups).removal_losses()
    whole = Network(model, LAYERS, inputs, LABELS, groups=groups).removal_losses()
    assert list(some) == ["two"] and torch.equal(some["two"], whole["two"])


def test_a_memory_tells_questions_apart():
    """Asked one after the other, each of these gives what a network without memory gives."""
    network = view(built(), samples())
    cached = network.cached()
    for fold in (True, False):
        assert torch.equal(cached.weight("one", fold), network.weight("one", fold))
    assert not torch.allclose(cached.weight("one"), cached.weight("one", False))
    questions = [
        lambda seen: next(seen.relevance("epsilon", bias="absorb"))["one"],
        lambda seen: next(seen.relevance("epsilon", bias="ignore"))["one"],
        lambda seen: next(seen.relevance("epsilon", "logit"))["one"],
        lambda seen: next(seen.gradients("loss"))["one"][1],
        lambda seen: next(seen.gradients("logit"))["one"][1],
        lambda seen: next(seen.differences("zero"))["one"][0],
        lambda seen: next(seen.differences("mean"))["one"][0],
        lambda seen: next(seen.scaled(0.5).outputs())["one"],
        lambda seen: next(seen.scaled(0.25).outputs())["one"],
    ]
    chosen = [5, 2]
    for part, alone in ((cached, network), (cached.subset(chosen), network.subset(chosen))):
        answers = [ask(part) for ask in questions]
        for ask, answer in zip(questions, answers, strict=True):
            expected = ask(alone)
            assert torch.allclose(answer[: len(expected)], expected)
        assert all(not torch.allclose(one, two) for one, two in itertools.pairwise(answers))
    stream = torch.Generator()
    part = cached.subset([5, 2, 6], stream).subset([2, 0])
    assert torch.allclose(next(part.outputs())["one"], next(network.subset([6, 5]).outputs())["one"])
    assert part.generator is stream


def whole(answer):
    """An answer as one batch of plain tensors and numbers; views and consumers by what they say of the samples."""
    if isinstance(answer, Iterator):
        answer = list(answer)
        parts = [whole(part) for part in answer]
        return joined(parts) if isinstance(answer[0], dict | torch.Tensor) else parts
    if isinstance(answer, Network):
        return whole(answer.outputs())
    if isinstance(answer, Consumers):
        return {layer: moments.second for layer, moments in answer.moments().items()}
    if isinstance(answer, dict):
        return {name: whole(part) for name, part in answer.items()}
    return [whole(part) for part in answer] if isinstance(answer, list | tuple) else answer


def rows(seen):
    told = {}
    seen.read_rows(["two"], lambda layer, part, _: told.setdefault(layer, []).append(part))
    return torch.cat(told["two"])


ASKED = {
    "outputs": lambda seen: seen.outputs(), "activations": lambda seen: seen.activations(),
    "gradients": lambda seen: seen.gradients("logit"), "relevance": lambda seen: seen.relevance("epsilon"),
    "read_relevance": lambda seen: seen.read_relevance(), "input_relevance": lambda seen: seen.input_relevance(),
    "ledger": lambda seen: {share[:2]: share.relevance for share in seen.ledger("epsilon")},
    "differences": lambda seen: seen.differences("mean"),
    "weight_gradients": lambda seen: [sum_of(seen.weight_gradients(samples=1))],
    "hessian_gradient": lambda seen: seen.hessian_gradient(), "synaptic_flow": lambda seen: seen.synaptic_flow(),
    "removal_losses": lambda seen: seen.removal_losses(), "joint_order": lambda seen: seen.joint_order(),
    "consumers": lambda seen: seen.consumers(), "read_rows": rows,
    "unit_weights": lambda seen: seen.unit_weights(seen.groups[0]),
    "gate_gradients": lambda seen: seen.gate_gradients(),
    "scores_of": lambda seen: seen.scores_of({group.name: torch.arange(group.size) for group in seen.groups}),
    "reference_samples": lambda seen: seen.reference_samples(), "weight": lambda seen: seen.weight("two"),
    "bias": lambda seen: seen.bias("two"), "batch_norm_scale": lambda seen: seen.batch_norm_scale("one"),
    "map_shape": lambda seen: seen.map_shape("two"), "zeros": lambda seen: seen.zeros(),
    "subset": lambda seen: seen.subset([1, 0]), "classes": lambda seen: seen.classes(),
    "class_places": lambda seen: seen.class_places(), "scaled": lambda seen: seen.scaled(0.5),
    "cached": lambda seen: seen.cached(), "has_additions": lambda seen: seen.has_additions,
    "samples": lambda seen: seen.samples, "input_shape": lambda seen: seen.input_shape,
}  # fmt: skip
"""Everything that a criterion may ask a network."""


def sum_of(steps):
    """Gradients summed over steps."""
    every = list(steps)
    return {layer: sum(step[layer][1] for step in every) for layer in every[0]}


@pytest.mark.parametrize("what", sorted({name for name in dir(Network) if not name.startswith("_")} | set(ASKED)))
def test_whatever_a_network_can_be_asked_a_memory_gives_the_same_for_the_same_samples(what):
    network = view(built(), samples())
    cached, chosen = network.cached(), [5, 2, 6]
    for part, alone in ((cached, network), (cached.subset(chosen), network.subset(chosen))):
        torch.testing.assert_close(whole(ASKED[what](part)), whole(ASKED[what](alone)), rtol=1e-9, atol=1e-12)


def test_a_memory_runs_a_pass_once_and_only_over_all_samples():
    """Each of a subset's passes is that of the whole, unless it sums over the samples."""
    model = built()
    cached = view(model, samples()).cached()
    seen = []
    hook = model.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    for again in (False, True):
        for what in ("activations", "gradients", "relevance", "read_relevance", "input_relevance", "gate_gradients"):
            seen.clear()
            whole(ASKED[what](cached.subset([5, 2, 6])))
            assert sum(seen) == (0 if again else len(samples())), what
    hook.remove()
