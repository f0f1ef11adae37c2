"""The zoo: each criterion against its equation worked out in another way, by hooks, loops, differences or captum."""

import itertools

import numpy as np
import pytest
import torch
from captum.attr import LayerConductance, LayerDeepLift
from torch import nn
from torch.nn import functional as F

from secateur.criteria import (
    activation_mean,
    apoz,
    batch_norm,
    deeplift,
    fisher,
    fpgm,
    grasp,
    hrank,
    integrated_gradients,
    lrp,
    lrp_class,
    lrp_epsilon,
    oracle,
    snip,
    synflow,
    taylor_gate,
    weight_l2,
)
from secateur.errors import SecateurError
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.ranking.network import Network

LAYERS = ["one", "two", "dense"]
LABELS = torch.tensor([0, 1, 2, 1, 0])
ZOO = [
    activation_mean, apoz, batch_norm, deeplift, fisher, fpgm, grasp, hrank, integrated_gradients, lrp_class, oracle,
    snip, synflow, taylor_gate, weight_l2,
]  # fmt: skip


class Chain(nn.Module):
    """Two convolutions, one with batch-norm, a max pooling, and two linear layers; a module for every function."""

    def __init__(self):
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3)
        self.relu_one, self.pool, self.relu_two = nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()
        self.dense, self.relu_dense, self.head = nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x):
        x = self.pool(self.relu_one(self.norm(self.one(x))))
        return self.head(self.relu_dense(self.dense(self.relu_two(self.two(x)).flatten(1))))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Chain().double().eval()
    nn.init.normal_(model.norm.weight)
    nn.init.normal_(model.norm.bias)
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return torch.randn(5, 3, 8, 8).double()


def view(model, inputs, **options):
    groups = find_unit_groups(model, inputs[:1])
    return Network(model, LAYERS, inputs, LABELS, groups=groups, batch_size=2, **options)


def activations(model, inputs):
    """Layer -> output after its ReLU, by ordinary hooks: samples × channels (× height × width)."""
    kept = {}
    hooks = [
        module.register_forward_hook(lambda module, given, output, name=name: kept.update({name: output.detach()}))
        for name, module in zip(LAYERS, (model.relu_one, model.relu_two, model.relu_dense), strict=True)
    ]
    model(inputs)
    for hook in hooks:
        hook.remove()
    return kept


def loss_of(model, inputs, labels=LABELS, temperature=1.0):
    return F.cross_entropy(model(inputs) / temperature, labels, reduction="mean")


def weights(model):
    return [model.get_submodule(layer).weight for layer in LAYERS]


def test_weight_l2_is_the_norm_of_the_filter(model, inputs):
    found = weight_l2.score(view(model, inputs))
    for layer, weight in zip(LAYERS, weights(model), strict=True):
        expected = [np.linalg.norm(filter_.detach().numpy()) for filter_ in weight]
        assert torch.allclose(found[layer], torch.tensor(expected))


def test_batch_norm_is_the_absolute_scale_and_one_without(model, inputs):
    found = batch_norm.score(view(model, inputs))
    assert torch.equal(found["one"], model.norm.weight.detach().abs())
    assert torch.equal(found["two"], torch.ones(5).double())
    with pytest.raises(SecateurError, match="no batch-norm"):
        batch_norm.score(Network(model, ["two", "dense"], inputs, LABELS))


def test_fpgm_sums_the_distances_to_the_other_filters(model, inputs):
    found = fpgm.score(view(model, inputs))
    for layer, weight in zip(LAYERS, weights(model), strict=True):
        flat = weight.detach().flatten(1).numpy()
        expected = [sum(np.linalg.norm(one - other) for other in flat) for one in flat]
        assert np.allclose(found[layer].numpy(), expected)


def test_activation_criteria_see_what_comes_out_of_the_relu(model, inputs):
    means, active, ranks = (module.score(view(model, inputs)) for module in (activation_mean, apoz, hrank))
    for layer, output in activations(model, inputs).items():
        others = [dimension for dimension in range(output.dim()) if dimension != 1]
        assert torch.allclose(means[layer], output.mean(others))
        assert torch.allclose(active[layer], 1 - (output == 0).double().mean(others))
        maps = output.reshape(*output.shape[:2], -1, output.shape[-1] if output.dim() == 4 else 1).numpy()
        expected = np.mean([[np.linalg.matrix_rank(one) for one in sample] for sample in maps], axis=0)
        assert np.allclose(ranks[layer].numpy(), expected)
    assert len(active["one"].unique()) > 2  # the test sees differences


def test_hrank_finds_the_rank_of_maps_whose_rank_is_known():
    images = torch.stack([torch.eye(4), torch.ones(4, 4), -torch.ones(4, 4)]).unsqueeze(1).double()
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(16, 2)).double()
    nn.init.ones_(model[0].weight)
    assert float(hrank.score(Network(model, ["0"], images))["0"]) == pytest.approx((4 + 1 + 0) / 3)


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
    whole = torch.autograd.grad(loss_of(model, inputs), weights(model))
    single = [
        torch.autograd.grad(loss_of(model, inputs[i : i + 1], LABELS[i : i + 1]), weights(model)) for i in range(5)
    ]
    for place, layer in enumerate(LAYERS):
        weight = weights(model)[place].detach()
        assert torch.allclose(by_snip[layer], 5 * (weight * whole[place]).abs().flatten(1).sum(1))
        squares = sum(gradients[place].square() for gradients in single) / 5
        assert torch.allclose(by_fisher[layer], 0.5 * (weight.square() * squares).flatten(1).sum(1))


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_grasp_equals_the_difference_of_gradients_along_the_gradient(model, inputs, temperature):
    """H g by central differences of the gradient, without a second derivative."""
    found = grasp.score(view(model, inputs), temperature=temperature)
    parameters = weights(model)
    gradient = torch.autograd.grad(loss_of(model, inputs, temperature=temperature), parameters)
    step = 1e-5 / max(float(part.norm()) for part in gradient)
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, part in zip(parameters, gradient, strict=True):
                weight += sign * step * part
        ends.append(torch.autograd.grad(loss_of(model, inputs, temperature=temperature), parameters))
        with torch.no_grad():
            for weight, part in zip(parameters, gradient, strict=True):
                weight -= sign * step * part
    for place, layer in enumerate(LAYERS):
        product = (ends[0][place] - ends[1][place]) / (2 * step)
        expected = (parameters[place].detach() * product).flatten(1).sum(1)
        assert torch.allclose(found[layer], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_synflow_sums_the_absolute_weights_over_all_paths():
    """A linear network small enough to walk every path; a batch-norm multiplies by |γ|/σ."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double().eval()
    nn.init.normal_(model[1].weight)
    model[1].running_var.uniform_(0.5, 2)
    found = synflow.score(Network(model, ["0", "3"], torch.zeros(1, 3)))
    factor = model[1].weight / torch.sqrt(model[1].running_var + model[1].eps)
    first, last = torch.zeros(4), torch.zeros(2)
    for i, j, k in itertools.product(range(3), range(4), range(2)):
        path = abs((model[0].weight[j, i] * factor[j] * model[3].weight[k, j]).item())
        first[j] += path
        last[k] += path
    assert torch.allclose(found["0"].float(), first) and torch.allclose(found["3"].float(), last)


def test_integrated_gradients_equal_captums_conductance_and_add_up(model, inputs):
    network = view(model, inputs)
    found = integrated_gradients.score(network, steps=400)
    for layer, module in zip(LAYERS, (model.norm, model.two, model.dense), strict=True):
        attributed = LayerConductance(model, module).attribute(
            inputs, torch.zeros_like(inputs), target=LABELS, n_steps=400, method="riemann_trapezoid"
        )
        expected = attributed.flatten(2).sum(2) if attributed.dim() > 2 else attributed
        assert torch.allclose(found[layer], expected.detach().abs().sum(0), rtol=0.02, atol=1e-3)
    total = sum(
        ((one[1][0] - one[0][0]) * (one[1][1] + one[0][1]) / 2).sum()
        for path in zip(*(network.scaled(k / 400).gradients("logit") for k in range(401)), strict=True)
        for one in itertools.pairwise(point["two"] for point in path)
    )
    logits = (model(inputs) - model(torch.zeros_like(inputs))).gather(1, LABELS[:, None])
    assert float(total) == pytest.approx(logits.sum().item(), rel=1e-2)


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_deeplift_equals_captums_and_adds_up(model, inputs, reference):
    found = deeplift.score(view(model, inputs), reference=reference)
    base = inputs.mean(0, keepdim=True).expand_as(inputs) if reference == "mean" else torch.zeros_like(inputs)
    for layer, module in zip(LAYERS, (model.norm, model.two, model.dense), strict=True):
        if (reference, layer) == ("mean", "one"):
            continue  # below a max pooling captum's contributions do not add up unless the reference is constant
        attributed = LayerDeepLift(model, module).attribute(inputs, base, target=LABELS)
        expected = attributed.flatten(2).sum(2) if attributed.dim() > 2 else attributed
        assert torch.allclose(found[layer], expected.detach().abs().sum(0), rtol=1e-6)
    logits = (model(inputs) - model(base)).gather(1, LABELS[:, None])
    for layer in LAYERS:
        total = sum((batch[layer][0] * batch[layer][1]).sum() for batch in view(model, inputs).differences(reference))
        assert float(total) == pytest.approx(logits.sum().item(), rel=1e-6)


def test_deeplift_without_biases_is_lrp_epsilon(model, inputs):
    for module in (model.one, model.norm, model.two, model.dense, model.head):
        nn.init.zeros_(module.bias)
    nn.init.zeros_(model.norm.running_mean)
    network = view(model, inputs)
    for layer, found in deeplift.score(network).items():
        assert torch.allclose(found, lrp_epsilon.score(network, epsilon=1e-12, start="logit")[layer], rtol=1e-5)


def test_class_conditional_relevance_is_the_largest_of_the_classes_means(model, inputs):
    network = view(model, inputs)
    alone = [
        lrp.score(
            Network(model, LAYERS, inputs[c == LABELS], LABELS[c == LABELS]), rule="epsilon", aggregation="sample"
        )
        for c in range(3)
    ]
    counts = [2, 2, 1]
    for reduce, join in (("max", torch.amax), ("mean", torch.mean), ("min", torch.amin)):
        found = lrp_class.score(network, over_classes=reduce)
        for layer in LAYERS:
            means = torch.stack([scores[layer] / n for scores, n in zip(alone, counts, strict=True)])
            assert torch.allclose(found[layer], join(means, 0))
    only = lrp_class.score(network, classes=(1,))
    assert all(torch.allclose(only[layer], alone[1][layer] / 2) for layer in LAYERS)
    with pytest.raises(SecateurError, match="no reference sample"):
        lrp_class.score(network, classes=(7,))
    with pytest.raises(SecateurError, match="over_classes"):
        lrp_class.score(network, over_classes="median")


def test_the_oracle_is_what_physical_removal_does_to_the_loss(model, inputs):
    groups = find_unit_groups(model, inputs[:1])
    network = view(model, inputs)
    found, absolute = oracle.score(network), oracle.score(network, absolute=True)
    whole = float(loss_of(model, inputs))
    for group in groups:
        for unit in range(group.size):
            change = float(loss_of(remove(model, groups, {group.name: [unit]}), inputs)) - whole
            assert float(found[group.name][unit]) == pytest.approx(change, abs=1e-9)
            assert float(absolute[group.name][unit]) == pytest.approx(abs(change), abs=1e-9)
    with pytest.raises(SecateurError, match="groups"):
        oracle.score(Network(model, LAYERS, inputs, LABELS))


def test_networks_for_which_a_pass_has_no_meaning_are_refused(model, inputs):
    class Gate(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    gated = nn.Sequential(nn.Conv2d(3, 4, 3), Gate(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double()
    with pytest.raises(SecateurError, match="rescale rule"):
        deeplift.score(Network(gated, ["0"], inputs, LABELS))
    torch.nn.utils.parametrizations.weight_norm(model.two)
    with pytest.raises(SecateurError, match="parametrisation"):
        snip.score(Network(model, LAYERS, inputs, LABELS))


@pytest.mark.parametrize("criterion", ZOO, ids=lambda module: module.__name__.split(".")[-1])
def test_the_contract(criterion, model, inputs):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    network = view(model, inputs)
    scores = criterion.score(network)
    sizes = {"one": (4,), "two": (5,), "dense": (6,)}
    assert {layer: tuple(score.shape) for layer, score in scores.items()} == sizes
    assert all(score.dtype == torch.float64 and bool(score.isfinite().all()) for score in scores.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert criterion.PAPER and criterion.NORMALISATION in ("none", "sum", "l2")
    subset = network.cached().subset([3, 0])
    alone = Network(
        model, LAYERS, inputs[[3, 0]], LABELS[[3, 0]], groups=find_unit_groups(model, inputs[:1]), batch_size=1
    )
    from_subset, expected = criterion.score(subset), criterion.score(alone)
    assert all(torch.allclose(expected[layer], from_subset[layer]) for layer in LAYERS)
