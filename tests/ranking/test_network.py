"""The view that a criterion gets: shapes, folded weights, gradients against plain autograd, memory and bad input."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from secateur.criteria import activation_mean, apoz, fpgm, taylor, taylor_gate, weight, weight_l2
from secateur.errors import SecateurError
from secateur.ranking.network import Network


class Mixed(nn.Module):
    """Convolutions with and without batch-norm, a shared layer, and a linear layer on tokens."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.shared = nn.Conv2d(6, 6, 3, padding=1)
        self.tokens = nn.Linear(6, 5)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.relu(self.shared(F.relu(self.shared(x))))
        return self.head(F.relu(self.tokens(x.flatten(2).transpose(1, 2))).mean(1))


LAYERS = ["first", "shared", "tokens", "head"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Mixed().double()
    nn.init.normal_(model.norm.weight)
    nn.init.normal_(model.norm.bias)
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return torch.randn(5, 3, 6, 6)


LABELS = torch.tensor([0, 1, 2, 3, 0])


def test_shapes(model, inputs):
    network = Network(model, LAYERS, inputs, LABELS, batch_size=2)
    positions = {"first": 16, "shared": 32, "tokens": 16, "head": 1}
    channels = {"first": 6, "shared": 6, "tokens": 5, "head": 4}
    for samples, outputs, gradients, relevance in zip(
        (2, 2, 1), network.outputs(), network.gradients(), network.relevance(), strict=True
    ):
        for layer in LAYERS:
            shape = (samples, channels[layer], positions[layer])
            assert outputs[layer].shape == relevance[layer].shape == shape
            assert gradients[layer][0].shape == gradients[layer][1].shape == shape
    assert {layer: len(zeros) for layer, zeros in network.zeros().items()} == channels
    assert all(zeros.dtype == torch.float64 for zeros in network.zeros().values())


def test_positions_are_maps_tokens_or_one_number(model, inputs):
    network = Network(model, LAYERS, inputs, LABELS)
    assert [network.map_shape(layer) for layer in ("first", "tokens", "head")] == [(4, 4), (16,), ()]
    with pytest.raises(SecateurError, match="several times"):
        network.map_shape("shared")


def test_weight_and_bias_are_those_of_the_layer_with_its_batch_norm(model, inputs):
    network = Network(model, LAYERS, inputs, LABELS)
    patches = F.unfold(inputs.double(), 3)
    expected = model.eval().norm(model.first(inputs.double())).flatten(2)
    found = torch.einsum("oi,nip->nop", network.weight("first"), patches) + network.bias("first")[:, None]
    assert torch.allclose(found, expected)
    assert torch.equal(network.weight("first", fold=False), model.first.weight.flatten(1))
    assert torch.equal(network.weight("shared"), model.shared.weight.flatten(1))
    assert torch.equal(network.bias("head"), model.head.bias)


def test_a_batch_norm_without_factors_has_factors_of_one(inputs):
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Flatten(), nn.Linear(32, 2)).double()
    model[1].running_var.fill_(4)
    network = Network(model, ["0", "3"], inputs, LABELS % 2)
    assert network.batch_norm_scale("0").tolist() == [1, 1] and network.batch_norm_scale("3") is None


def test_a_scaled_view_of_a_scaled_view_is_scaled_by_both(model, inputs):
    network = Network(model, LAYERS, inputs, LABELS)
    (expected,) = Network(model, LAYERS, inputs * 6, LABELS).outputs()
    for view in (network, network.cached()):
        (found,) = view.scaled(2).scaled(3).outputs()
        assert torch.allclose(found["head"], expected["head"])


def test_synaptic_flow_leaves_numbers_that_are_places_as_they_are():
    class Picked(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 2)
            self.register_buffer("places", torch.tensor([2, 0, 1]))

        def forward(self, x):
            return self.two(self.one(x)[:, self.places])

    model = Picked()
    found = Network(model, ["one"], torch.randn(2, 3)).synaptic_flow()["one"]
    onward = model.two.weight.detach().abs().sum(0)[[1, 2, 0]]  # output k of `one` is input places⁻¹(k) of `two`
    assert torch.allclose(found, (model.one.weight.detach().abs() * onward[:, None]).double())


@pytest.mark.parametrize("of", ["loss", "logit"])
def test_outputs_and_gradients_equal_plain_autograd(model, inputs, of):
    network = Network(model, ["first", "head"], inputs, LABELS, batch_size=5)
    (found,) = network.gradients(of)
    kept = {}
    model.eval()
    hooks = [
        module.register_forward_hook(lambda module, given, output, name=name: kept.update({name: output}))
        for name, module in (("first", model.norm), ("head", model.head))
    ]
    logits = model(inputs.double())
    for hook in hooks:
        hook.remove()
    loss = F.cross_entropy(logits, LABELS, reduction="sum")
    target = logits.gather(1, LABELS[:, None]).sum() if of == "logit" else loss
    gradients = torch.autograd.grad(target, list(kept.values()))
    for (name, output), gradient in zip(kept.items(), gradients, strict=True):
        assert torch.allclose(found[name][0].flatten(), output.flatten())
        assert torch.allclose(found[name][1].flatten(), gradient.flatten())


def test_gradients_equal_finite_differences(model, inputs):
    (found,) = Network(model, ["first"], inputs[:1], LABELS[:1]).gradients("logit")
    gradient = found["first"][1].sum()
    step = 1e-6
    values = []
    for sign in (1, -1):
        model.norm.bias.data += sign * step
        values.append(model.eval()(inputs[:1].double())[0, LABELS[0]].item())
        model.norm.bias.data -= sign * step
    assert gradient.item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


def test_gradients_of_a_timm_network_with_in_place_additions():
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=3).double().eval()
    inputs, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 2])
    (found,) = Network(model, ["layer2.0.conv1"], inputs, labels).gradients()
    kept = {}

    def keep(module, given, output):
        output.register_hook(lambda gradient: kept.update(gradient=gradient))
        kept["output"] = output.detach().clone()

    # The first batch-norm of a block: nothing is added to it in place, so an ordinary hook sees it right.
    hook = model.layer2[0].bn1.register_forward_hook(keep)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    F.cross_entropy(model(inputs.double()), labels, reduction="sum").backward()
    hook.remove()
    assert torch.allclose(found["layer2.0.conv1"][0], kept["output"].flatten(2))
    assert torch.allclose(found["layer2.0.conv1"][1], kept["gradient"].flatten(2))


def test_a_cached_network_runs_each_pass_once_and_takes_subsets(model, inputs):
    calls = []
    hook = model.register_forward_hook(lambda *_: calls.append(1))
    network = Network(model, LAYERS, inputs, LABELS, batch_size=2)
    cached = network.cached()
    calls.clear()
    chosen = [4, 1]
    subset = cached.subset(chosen, generator=torch.Generator().manual_seed(3))
    for _ in range(2):
        (gradients,), (outputs,), (relevance,) = subset.gradients(), subset.outputs(), subset.relevance("epsilon")
    hook.remove()
    assert len(calls) == 6  # three batches of gradients, three of relevance; the outputs come with the gradients
    alone = Network(model, LAYERS, inputs[chosen], LABELS[chosen])
    (expected,) = alone.gradients()
    (expected_relevance,) = alone.relevance("epsilon")
    for layer in LAYERS:
        assert torch.allclose(gradients[layer][1], expected[layer][1])
        assert torch.allclose(outputs[layer], expected[layer][0])
        assert torch.allclose(relevance[layer], expected_relevance[layer])
        assert torch.equal(subset.weight(layer), network.weight(layer))
        assert subset.zeros()[layer].shape == network.zeros()[layer].shape
    assert subset.generator.initial_seed() == 3
    assert subset.subset([1]).samples == 1
    assert torch.equal(next(subset.subset([1]).outputs())["head"], outputs["head"][1:])


def test_criteria_that_look_at_the_same_signals_share_one_pass(model, inputs):
    calls = []
    hook = model.register_forward_hook(lambda *_: calls.append(1))
    cached = Network(model, LAYERS, inputs, LABELS).cached()
    calls.clear()
    for pair, passes in (((taylor, taylor_gate), 1), ((activation_mean, apoz), 2), ((weight, weight_l2, fpgm), 2)):
        for criterion in pair:
            criterion.score(cached)
            criterion.score(cached.subset([0, 3]))
        assert len(calls) == passes
    hook.remove()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ["nowhere"]}, "'nowhere'"),
        ({"layers": ["norm"]}, "'norm'"),
        ({"inputs": torch.zeros(0, 3, 6, 6), "labels": torch.zeros(0, dtype=torch.long)}, "at least one"),
        ({"labels": torch.tensor([0, 1])}, "one class index"),
        ({"labels": LABELS.double()}, "one class index"),
        ({"labels": LABELS - 1}, "one class index"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_bad_input_is_one_clear_error(model, inputs, change, message):
    given = {"layers": LAYERS, "inputs": inputs, "labels": LABELS, **change}
    with pytest.raises(SecateurError, match=message):
        Network(model, given.pop("layers"), given.pop("inputs"), given.pop("labels"), **given)


def test_bad_questions_are_clear_errors(model, inputs):
    network = Network(model, LAYERS, inputs, LABELS)
    for ask, message in [
        (lambda: network.relevance("zminus"), "no such rule"),
        (lambda: network.relevance({"rule": "alphabeta", "alpha": 2, "beta": 2}), "must be 1"),
        (lambda: network.relevance({"rule": "epsilon", "epsilom": 2}), "epsilom"),
        (lambda: network.relevance({"top": "epsilon"}), "top"),
        (lambda: network.relevance("flat"), "first layer"),
        (lambda: network.relevance(start="zero"), "start"),
        (lambda: network.relevance(additions="half"), "additions"),
        (lambda: network.relevance(bias="maybe"), "bias"),
        (lambda: network.gradients("weights"), "of="),
        (lambda: Network(model, LAYERS, inputs).relevance(), "labels"),
        (lambda: Network(model, LAYERS, inputs, LABELS + 10).gradients(), "classes"),
    ]:
        with pytest.raises(SecateurError, match=message):
            list(ask())
    with pytest.raises(SecateurError, match="from 0 to 4"):
        network.cached().subset([7])


def test_networks_that_cannot_be_seen_through_are_refused(inputs):
    with pytest.raises(SecateurError, match="TorchScript"):
        Network(torch.jit.trace(nn.Conv2d(3, 2, 1), inputs[:1]), [], inputs)
    with pytest.raises(SecateurError, match="running statistics"):
        Network(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)), ["0"], inputs)

    class Random(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, training=True)

    with pytest.raises(SecateurError, match=r"module '0' \(Random\)"):
        Network(nn.Sequential(Random()), [], inputs)


def test_a_standardised_weight_is_the_one_that_is_used():
    torch.manual_seed(0)
    model = timm.create_model("nf_resnet26", num_classes=3).double().eval()
    inputs, labels = torch.randn(1, 3, 32, 32), torch.tensor([1])
    network = Network(model, ["stem.conv"], inputs, labels)
    (outputs,) = network.outputs()
    patches = F.unfold(inputs.double(), 7, padding=3, stride=2)
    found = network.weight("stem.conv") @ patches[0] + network.bias("stem.conv")[:, None]
    assert torch.allclose(outputs["stem.conv"][0], found)
    assert not torch.allclose(network.weight("stem.conv"), model.stem.conv.weight.flatten(1))
    (relevance,) = network.relevance()
    assert bool(relevance["stem.conv"].isfinite().all())


def test_a_gate_may_be_expanded_like_the_signal():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            x = self.conv(x)
            gate = torch.sigmoid(self.gate(x.mean((2, 3))))
            return self.head((x * gate[:, :, None, None].expand_as(x)).mean((2, 3)))

    torch.manual_seed(0)
    model = Gated().double()
    network = Network(model, ["conv", "gate", "head"], torch.randn(2, 3, 6, 6), torch.tensor([0, 2]))
    (relevance,) = network.relevance("epsilon", start="logit", bias="ignore")
    # The gate is a constant: nothing for its layers, and without biases everything for the signal.
    assert not relevance["gate"].any()
    expected = relevance["head"].sum((1, 2))
    assert torch.allclose(relevance["conv"].sum((1, 2)), expected, rtol=1e-3)
