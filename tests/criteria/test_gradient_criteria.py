"""Criteria that look at gradients, against plain autograd, differences and physical removal."""

import pytest
import torch
from tests.criteria.networks import LABELS, LAYERS, Residual, built, loss_of, signals, view, weights
from torch.nn import functional as F

from secateur.criteria import fisher, gradient, grasp, oracle, snip, taylor, taylor_gate
from secateur.errors import SecateurError
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.network import Network
from secateur.ranking.rank import Scoring, rank


@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("of", ["loss", "logit"])
def test_gradient_and_taylor_are_sums_over_samples_and_positions(model, inputs, of, batch_size):
    network = view(model, inputs, batch_size=batch_size)
    for criterion, signal in ((gradient, lambda a, g: g), (taylor, lambda a, g: a * g)):
        found = {name: criterion.score(network, of=of, absolute=name) for name in ("total", "sample", "position")}
        plain = criterion.score(network)
        for layer, (a, g) in signals(model, inputs, of).items():
            values = signal(a, g)
            assert torch.allclose(found["total"][layer], values.sum((0, 2)).abs())
            assert torch.allclose(found["sample"][layer], values.sum(2).abs().sum(0))
            assert torch.allclose(found["position"][layer], values.abs().sum((0, 2)))
            if of == "loss":
                assert torch.equal(found["total"][layer], plain[layer])
            assert not torch.allclose(found["total"][layer], found["sample"][layer])
            if values.shape[2] > 1:  # or the test could not tell them apart
                assert not torch.allclose(found["sample"][layer], found["position"][layer])


@pytest.mark.parametrize("criterion", [gradient, taylor])
def test_an_option_that_is_not_known_is_an_error(model, inputs, criterion):
    with pytest.raises(SecateurError, match="absolute='samples': not known. Choose one of total, sample, position"):
        criterion.score(view(model, inputs), absolute="samples")
    with pytest.raises(SecateurError, match="of='logits': not known. Choose one of logit, loss"):
        criterion.score(view(model, inputs), of="logits")


def test_taylor_is_the_same_after_the_relu(model, inputs):
    found = taylor.score(view(model, inputs))
    for layer, (a, g) in signals(model, inputs).items():
        assert torch.allclose(found[layer], (F.relu(a) * g).sum((0, 2)).abs())


def test_taylor_gate_is_the_squared_derivative_by_a_gate(model, inputs):
    """By central differences: a gate at 1 ± ε on a channel after its ReLU, sample by sample."""
    found, step = taylor_gate.score(view(model, inputs)), 1e-6
    for layer, module in zip(LAYERS, (model.relu_one, model.relu_two, model.relu_dense), strict=True):
        for channel in range(len(found[layer])):
            ends = []
            for gate in (1 + step, 1 - step):

                def close(module, given, output, gate=gate, channel=channel):
                    output = output.clone()
                    output[:, channel] *= gate
                    return output

                hook = module.register_forward_hook(close)
                ends.append(F.cross_entropy(model(inputs), LABELS, reduction="none"))
                hook.remove()
            slopes = (ends[0] - ends[1]) / (2 * step)
            assert float(found[layer][channel]) == pytest.approx(slopes.square().mean().item(), rel=1e-5, abs=1e-12)


def test_snip_and_fisher_are_products_of_weights_and_their_gradients(model, inputs):
    by_snip, by_fisher = snip.score(view(model, inputs)), fisher.score(view(model, inputs))
    count = len(LABELS)
    whole = torch.autograd.grad(loss_of(model, inputs), weights(model))
    single = [torch.autograd.grad(loss_of(model, x[None], n[None]), weights(model))
              for x, n in zip(inputs, LABELS, strict=True)]  # fmt: skip
    for place, layer in enumerate(LAYERS):
        weight = weights(model)[place].detach()
        assert torch.allclose(by_snip[layer], count * (weight * whole[place]).abs().flatten(1).sum(1))
        squares = sum(gradients[place].square() for gradients in single) / count
        assert torch.allclose(by_fisher[layer], 0.5 * (weight.square() * squares).flatten(1).sum(1))


@pytest.mark.parametrize("options", [{"temperature": 1.0}, {}])
def test_grasp_equals_the_difference_of_gradients_along_the_gradient(model, inputs, options):
    """H g by central differences of the gradient, without a second derivative; the authors divide logits by 200."""
    found = grasp.score(view(model, inputs), **options)
    temperature = options.get("temperature", 200.0)
    parameters = weights(model)
    slope = torch.autograd.grad(loss_of(model, inputs, temperature=temperature), parameters)
    step = 1e-5 / max(float(part.norm()) for part in slope)
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, part in zip(parameters, slope, strict=True):
                weight += sign * step * part
        ends.append(torch.autograd.grad(loss_of(model, inputs, temperature=temperature), parameters))
        with torch.no_grad():
            for weight, part in zip(parameters, slope, strict=True):
                weight -= sign * step * part
    for place, layer in enumerate(LAYERS):
        product = (ends[0][place] - ends[1][place]) / (2 * step)
        expected = (parameters[place].detach() * product).flatten(1).sum(1)
        assert torch.allclose(found[layer], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_weights_that_are_computed_have_no_gradient_of_their_own(model, inputs):
    torch.nn.utils.parametrizations.weight_norm(model.two)
    with pytest.raises(SecateurError, match="parametrisation"):
        snip.score(Network(model, LAYERS, inputs, LABELS))


def test_weights_that_are_frozen_have_a_gradient_all_the_same(model, inputs):
    expected = snip.score(view(model, inputs))
    model.two.weight.requires_grad_(False)
    assert torch.equal(snip.score(view(model, inputs))["two"], expected["two"])
    assert not model.two.weight.requires_grad


@pytest.mark.parametrize("kind", ["Chain", "Residual"])
def test_the_oracle_is_what_physical_removal_does_to_the_loss(kind, model, inputs):
    """Also where several layers make a unit: it counts once."""
    model = model if kind == "Chain" else built(Residual)
    groups = find_unit_groups(model, inputs[:1])
    criterion = registry.load("oracle")
    found, absolute = (
        rank(model, groups, inputs, LABELS, Scoring(criterion, options={"absolute": absolute}, batch_size=2))
        for absolute in (False, True)
    )
    with torch.no_grad():
        whole = float(loss_of(model, inputs))
        for group in groups:
            for unit in range(group.size):
                change = float(loss_of(remove(model, groups, {group.name: [unit]}), inputs)) - whole
                assert float(found[group.name][unit]) == pytest.approx(change, abs=1e-9)
                assert float(absolute[group.name][unit]) == pytest.approx(abs(change), abs=1e-9)
    assert min(float(scores.min()) for scores in found.values()) < 0  # it keeps its sign
    assert oracle.score(view(model, inputs))["dense"].shape == (6,)
    with pytest.raises(SecateurError, match="groups"):
        oracle.score(Network(model, LAYERS, inputs, LABELS))
