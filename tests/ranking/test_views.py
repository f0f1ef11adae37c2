"""Views of a network against each other: classes, memories and odd layers give what the layers themselves give."""

import itertools

import torch
from tests.criteria.networks import LABELS, LAYERS, built, samples, view
from torch import nn

from secateur.pruning.units import find_unit_groups
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
