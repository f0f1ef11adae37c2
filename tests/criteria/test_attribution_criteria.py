"""Criteria that look at attributions: relevance, class by class too, integrated gradients and DeepLIFT."""

from itertools import pairwise

import pytest
import timm
import torch
from captum.attr import LayerConductance, LayerDeepLift
from scipy import stats
from tests.criteria.networks import CLASS_SIZES, LABELS, LAYERS, Residual, built, normed, signals_at, view
from tests.relevance.relevance_by_hand import chain_relevance
from tests.tiers import rows
from torch import nn

from secateur.criteria import deeplift, integrated_gradients, lrp, lrp_class, lrp_epsilon, taylor
from secateur.errors import SecateurError
from secateur.models.build import register
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.network import Network
from secateur.ranking.rank import Scoring, rank

AGGREGATIONS = ("sum", "position", "sample")


def by_hand(model, inputs, rule):
    """Layer -> relevance after its batch-norm, samples × channels × positions, contribution by contribution."""
    layers = [model.norm, model.relu_one, model.pool, model.two, model.relu_two, nn.Flatten(), model.dense]
    layers += [model.relu_dense, model.head]
    places = {"one": 1, "two": 4, "dense": 7}
    found = [
        chain_relevance(layers, model.one(x[None]).detach(), int(label), [rule] * len(layers), rule == "epsilon")
        for x, label in zip(inputs, LABELS, strict=True)
    ]
    return {
        layer: torch.cat([one[place].reshape(1, one[place].shape[1], -1) for one in found])
        for layer, place in places.items()
    }


def aggregated(values, aggregation):
    match aggregation:
        case "sum":
            return values.sum((0, 2))
        case "position":
            return values.abs().sum((0, 2))
        case "sample":
            return values.sum(2).abs().sum(0)


def test_lrp_is_relevance_written_out_by_hand(model, inputs):
    found, signed = lrp.score(view(model, inputs)), lrp.score(view(model, inputs), rule="epsilon")
    epsilon = lrp_epsilon.score(view(model, inputs))
    zplus, both = by_hand(model, inputs, "zplus"), by_hand(model, inputs, "epsilon")
    for layer in LAYERS:
        assert torch.allclose(found[layer], zplus[layer].sum((0, 2)), rtol=1e-5)
        assert torch.allclose(signed[layer], both[layer].sum((0, 2)), rtol=1e-4)
        assert torch.allclose(epsilon[layer], both[layer].sum(2).abs().sum(0), rtol=1e-4)
        for aggregation in AGGREGATIONS:
            chosen = lrp_epsilon.score(view(model, inputs), aggregation=aggregation)
            assert torch.allclose(chosen[layer], aggregated(both[layer], aggregation), rtol=1e-4)


@pytest.mark.parametrize(("kind", "automatic"), [("Chain", "sum"), ("Residual", "position")])
def test_lrp_keeps_the_sign_on_chains_and_not_where_branches_are_added(kind, automatic, model, inputs):
    network = view(model if kind == "Chain" else built(Residual), inputs)
    found = lrp.score(network, rule="epsilon")
    signals = list(network.relevance("epsilon"))
    for layer in LAYERS:
        relevance = torch.cat([batch[layer] for batch in signals])
        every = {name: lrp.score(network, rule="epsilon", aggregation=name)[layer] for name in AGGREGATIONS}
        for name, scores in every.items():
            assert torch.allclose(scores, aggregated(relevance, name))
        assert torch.equal(found[layer], every[automatic])
        if relevance.shape[2] > 1:  # or the test could not tell them apart
            assert not torch.allclose(every["position"], every["sample"])
        assert not torch.allclose(every["sum"], every["sample"])
    with pytest.raises(SecateurError, match="aggregation"):
        lrp.score(network, aggregation="mean")


@pytest.mark.parametrize(
    ("criterion", "options"),
    [
        (lrp, {"rule": "epsilon"}),
        (lrp, {"start": "logit"}),
        (lrp, {"rule": "epsilon", "additions": "absolute"}),
        (lrp, {"bias": "absorb"}),
        (lrp_epsilon, {"epsilon": 0.5}),
        (lrp_epsilon, {"start": "softmax-contrast"}),
    ],
)
def test_every_option_of_relevance_reaches_it(criterion, options, inputs):
    """What the network makes of each is tested with relevance itself; here that a criterion hands it on."""
    network = view(built(Residual), inputs)
    asked = dict(options)
    if "epsilon" in asked:
        asked["rule"] = {"rule": "epsilon", "epsilon": asked.pop("epsilon")}
    given = {"rule": "epsilon"} | asked if criterion is lrp_epsilon else asked
    aggregation = "sample" if criterion is lrp_epsilon else "position"
    signals = list(network.relevance(**given))
    found, plain = criterion.score(network, **options), criterion.score(network)
    for layer in LAYERS:
        expected = aggregated(torch.cat([batch[layer] for batch in signals]), aggregation)
        assert torch.allclose(found[layer], expected)
    assert not all(torch.allclose(found[layer], plain[layer]) for layer in LAYERS)


OF_LOGIT = {"of": "logit", "absolute": "sample"}


@pytest.mark.parametrize("kind", ["Chain", "Residual"])
def test_lrp_epsilon_from_the_logit_is_taylor_of_the_logit(kind, model, inputs):
    """Each sample's, not normalised: two names of one criterion, with batch-norm and biases, in float64."""
    network = view(model if kind == "Chain" else built(Residual), inputs)
    by_taylor, by_lrp = taylor.score(network, **OF_LOGIT), lrp_epsilon.score(network, epsilon=1e-12, start="logit")
    for layer in LAYERS:
        assert torch.allclose(by_lrp[layer], by_taylor[layer], rtol=1e-9)
        for other in ({"of": "loss"} | {"absolute": "sample"}, {"of": "logit"}):  # and no other form of Taylor is
            assert not torch.allclose(by_lrp[layer], taylor.score(network, **other)[layer], rtol=0.01)
        # from one-hot, the default, each sample's part is divided by its logit
        assert not torch.allclose(by_lrp[layer], lrp_epsilon.score(network, epsilon=1e-12)[layer], rtol=0.01)
    assert taylor.NORMALISATION == "l2" and lrp_epsilon.NORMALISATION == "none"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["resnet18", "vgg_bn_small"])
def test_they_rank_the_units_of_whole_networks_alike(architecture):
    """As a run has them: float32, the default ε, units of tied channels."""
    torch.manual_seed(0)
    width = {"channels": [16, 32, 64, 128]} if architecture == "resnet18" else {}
    register(architecture)
    network = timm.create_model(architecture, num_classes=10, **width)
    images, labels = torch.randn(20, 3, 32, 32), torch.arange(20) % 10
    with torch.no_grad():
        for _ in range(20):  # statistics of batch-norm that fit, in place of those of a training
            network(torch.randn(64, 3, 32, 32))
    groups = find_unit_groups(network.eval(), images[:1])
    scored = [
        rank(network, groups, images, labels, Scoring(registry.load(name), options=options, normalisation="none"))
        for name, options in (("lrp_epsilon", {"start": "logit"}), ("taylor", OF_LOGIT))
    ]
    one, two = (torch.cat([scores[group.name] for group in groups]) for scores in scored)
    assert stats.spearmanr(one, two).statistic > 0.99999
    assert float((one - two).abs().max()) < 0.01 * float(two.max())


def test_class_conditional_relevance_is_the_largest_of_the_classes_means(model, inputs):
    network = view(model, inputs)
    found = {name: lrp_class.score(network, over_classes=name) for name in ("max", "mean", "min")}
    values = by_hand(model, inputs, "epsilon")
    for layer in LAYERS:
        means = torch.stack([
            values[layer][c == LABELS].sum(2).abs().sum(0) / n for c, n in enumerate(CLASS_SIZES)
        ])  # fmt: skip
        for reduce, join in (("max", torch.amax), ("mean", torch.mean), ("min", torch.amin)):
            assert torch.allclose(found[reduce][layer], join(means, 0), rtol=1e-4)
        assert torch.equal(lrp_class.score(network)[layer], found["max"][layer])
        only = lrp_class.score(network, classes=(1,))
        assert torch.allclose(only[layer], means[1], rtol=1e-4)
    with pytest.raises(SecateurError, match="no reference sample"):
        lrp_class.score(network, classes=(7,))
    with pytest.raises(SecateurError, match="over_classes"):
        lrp_class.score(network, over_classes="median")


@pytest.mark.parametrize("options", [{"rule": "zplus"}, {"start": "logit"}, {"aggregation": "position"}])
def test_options_of_relevance_reach_each_class(model, inputs, options):
    """With one class there is only its mean, which is LRP's over the samples."""
    network = view(model, inputs)
    ones = Network(model, LAYERS, inputs[LABELS == 1], LABELS[LABELS == 1])
    found = lrp_class.score(network, classes=(1,), **options)
    expected = lrp.score(ones, **{"rule": "epsilon", "aggregation": "sample"} | options)
    plain = lrp_class.score(network, classes=(1,))
    assert all(torch.allclose(found[layer], expected[layer] / CLASS_SIZES[1]) for layer in LAYERS)
    assert not all(torch.allclose(found[layer], plain[layer]) for layer in LAYERS)


def conductance(model, inputs, steps):
    """Integrated gradients by the trapezoidal rule with so many steps, from ordinary autograd."""
    points = [signals_at(model, normed(model), inputs * (k / steps), LABELS, "logit") for k in range(steps + 1)]
    areas = {
        layer: sum(
            (end - start) * (slope + next_slope) / 2
            for (start, slope), (end, next_slope) in pairwise(point[place] for point in points)
        )
        for place, layer in enumerate(LAYERS)
    }
    return {layer: area.sum(2).abs().sum(0) for layer, area in areas.items()}


@pytest.mark.parametrize("steps", [4, 16])
def test_integrated_gradients_are_the_trapezoidal_rule_on_the_way_from_zero(model, inputs, steps):
    found = integrated_gradients.score(view(model, inputs), steps=steps, tolerance=float("inf"))
    expected = conductance(model, inputs, steps)
    assert all(torch.allclose(found[layer], expected[layer]) for layer in LAYERS)


def furthest(found, expected):
    return max(float((found[layer] - expected[layer]).abs().max() / expected[layer].max()) for layer in LAYERS)


@pytest.mark.parametrize("kind", [None, Residual])
@pytest.mark.parametrize("tolerance", rows([0.05, 0.01], [0.05]))
def test_integrated_gradients_are_as_near_as_was_asked_for(inputs, kind, tolerance):
    model = built(kind) if kind else built()
    exact = conductance(model, inputs, 400)
    found = integrated_gradients.score(view(model, inputs), tolerance=tolerance, steps=2, most=512)
    assert furthest(found, exact) <= tolerance < furthest(conductance(model, inputs, 2), exact)


def test_integrated_gradients_take_twice_as_many_steps_until_it_is_near_enough(model, inputs):
    def gradient_passes(**options):
        calls = []
        hook = model.register_forward_hook(lambda *_: calls.append(1))
        network = view(model, inputs, batch_size=7)
        calls.clear()
        integrated_gradients.score(network, **options)
        hook.remove()
        return len(calls)

    assert gradient_passes(steps=4, tolerance=float("inf")) == 5
    assert gradient_passes(steps=4, tolerance=1e-9, most=16) == 5 + 9 + 17
    assert gradient_passes(steps=4, tolerance=1e-9, most=4) == 5


@pytest.mark.parametrize("options", [{"steps": 3}, {"steps": 0}, {"tolerance": 0}, {"tolerance": float("nan")}])
def test_steps_and_tolerance_of_integrated_gradients_are_checked(model, inputs, options):
    with pytest.raises(SecateurError, match="steps must be even, and both above zero"):
        integrated_gradients.score(view(model, inputs), **options)


def test_integrated_gradients_equal_captums_conductance(model, inputs):
    network = view(model, inputs, batch_size=7)
    found = integrated_gradients.score(network, steps=200, most=200)
    for layer, module in zip(LAYERS, normed(model), strict=True):
        attributed = LayerConductance(model, module).attribute(
            inputs, torch.zeros_like(inputs), target=LABELS, n_steps=200, method="riemann_trapezoid"
        )
        expected = attributed.flatten(2).sum(2) if attributed.dim() > 2 else attributed
        assert torch.allclose(found[layer], expected.detach().abs().sum(0), rtol=0.05, atol=5e-3)


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_deeplift_equals_captums_and_adds_up(model, inputs, reference):
    found = deeplift.score(view(model, inputs), reference=reference)
    base = inputs.mean(0, keepdim=True).expand_as(inputs) if reference == "mean" else torch.zeros_like(inputs)
    for layer, module in zip(LAYERS, normed(model), strict=True):
        if (reference, layer) == ("mean", "one"):
            continue  # below a max pooling captum's contributions do not add up unless the reference is constant
        attributed = LayerDeepLift(model, module).attribute(inputs, base, target=LABELS)
        expected = attributed.flatten(2).sum(2) if attributed.dim() > 2 else attributed
        assert torch.allclose(found[layer], expected.detach().abs().sum(0), rtol=1e-6)
        if reference == "zero":
            assert torch.equal(found[layer], deeplift.score(view(model, inputs))[layer])
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


def test_networks_with_gates_have_no_deeplift(inputs):
    class Gate(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    gated = nn.Sequential(nn.Conv2d(3, 4, 3), Gate(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double()
    with pytest.raises(SecateurError, match="rescale rule"):
        deeplift.score(Network(gated, ["0"], inputs, LABELS))


def test_zplus_sums_to_the_same_in_every_layer_of_a_chain_and_nothing_else_does(model, inputs):
    """Why `lrp` is not normalised between layers on a chain, and that this is no reason for the others."""

    def totals(scores):
        return torch.stack([scores[layer].sum() for layer in LAYERS])

    with torch.no_grad():  # every filter reached: else a unit whose inputs are all silent keeps what it got
        for module in (model.norm, model.two, model.dense):
            module.bias += 1
    chain = totals(lrp.score(view(model, inputs)))
    assert torch.allclose(chain, torch.full_like(chain, len(LABELS)), rtol=1e-5)
    for scores in (lrp_epsilon.score(view(model, inputs)), lrp_class.score(view(model, inputs))):
        found = totals(scores)
        assert found.max() > 1.1 * found.min()
    residual = totals(lrp.score(view(built(Residual), inputs)))
    assert residual.max() > 1.1 * residual.min()
