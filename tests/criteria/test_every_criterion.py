"""What holds of every built-in criterion: the contract, the page that describes it, and what must not matter to it."""

import copy
import re

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.criteria.networks import LABELS, LAYERS, built, samples, view
from tests.tiers import examples, rows

from secateur.config import REPOSITORY
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.network import Network

NAMES = sorted(name for name, source in registry.find().items() if source.kind == "built-in")
# ε is a number on the scale of one layer's outputs: where it is not small beside them, that scale does matter.
SMALL = {"rule": "epsilon", "epsilon": 1e-12}
BY_RULE = ("lrp_class", "head_relevance", "attention_relevance")
WITHOUT_EPSILON = {"lrp_epsilon": {"epsilon": 1e-12}, **{name: {"rule": SMALL} for name in BY_RULE}}
FAST = (
    "weight",
    "gradient",
    "taylor",
    "taylor_gate",
    "snip",
    "fisher",
    "lrp",
    "lrp_epsilon",
    "variance",
    "wanda",
    "flap",
)
LETTERS = {"s": "samples", "l": "labels", "g": "gradients"}
ROW = re.compile(r"^\| `(?P<name>\w+)` \| .* \| (?P<needs>[–slg]+) \| (?P<norm>\w+) \| (?P<source>[^|]+) \|$", re.M)
# What a filter's score is multiplied by when its weights and bias are multiplied by c and what reads it by 1/c, so that
# the network computes the same. (GraSP follows the gradient in the space of weights; FPGM, CHIP, LAMP and the group
# norm compare with neighbours; OBS has a damping on the scale of all that a layer reads.)
POWERS = {
    "weight": 1, "weight_l2": 1, "activation_mean": 1, "gradient": -1, "batch_norm": 0, "synflow": 0, "apoz": 0,
    "hrank": 0, "taylor": 0, "taylor_gate": 0, "snip": 0, "fisher": 0, "lrp": 0, "lrp_epsilon": 0, "lrp_class": 0,
    "integrated_gradients": 0, "deeplift": 0, "oracle": 0, "variance": 2, "group_fisher": 0, "wanda": 0, "flap": 0,
    "reconstruction": 0, "oracle_joint": 0, "head_gate": 0, "head_relevance": 0, "attention_relevance": 0,
}  # fmt: skip
BY_READERS = {"wanda", "flap", "reconstruction"}  # scores that depend on the weights that read a filter
OF_UNITS = {
    "oracle", "random", "wanda", "flap", "group_norm", "lamp", "obs", "group_fisher", "reconstruction",
    "oracle_joint", "head_gate", "head_relevance", "attention_relevance",
}  # fmt: skip


def scored(name, model, inputs=None, labels=LABELS, batch_size=2, **options):
    network = view(model, samples() if inputs is None else inputs, labels, batch_size=batch_size)
    return registry.load(name).score(network, **options)


def test_the_page_says_of_every_criterion_what_its_file_says():
    """Needs, normalisation and a name of each source: two records of the same choice."""
    page = (REPOSITORY / "docs/criteria.md").read_text(encoding="utf-8").partition("## The criteria there are")[2]
    rows = {row["name"]: row for row in ROW.finditer(page)}
    assert sorted(rows) == NAMES
    for name, row in rows.items():
        criterion = registry.load(name)
        assert criterion.needs == tuple(LETTERS[letter] for letter in row["needs"] if letter != "–"), name
        assert criterion.normalisation == row["norm"], name
        cited = re.findall(r"([A-Z][a-z]+)[a-z. ]* (\d{4})", row["source"])
        assert all(author in criterion.paper and year in criterion.paper for author, year in cited), name
        assert bool(cited) == bool(criterion.paper), name
    first = {name for name in NAMES if registry.load(name).combine == "first"}
    assert first == OF_UNITS  # the unit's own number; all others add up its channels'


@pytest.mark.parametrize("name", NAMES)
def test_the_contract(name, model, inputs):
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    criterion, network = registry.load(name), view(model, inputs)
    scores = criterion.score(network)
    sizes = {"one": (4,), "two": (5,), "dense": (6,)}
    assert {layer: tuple(score.shape) for layer, score in scores.items()} == sizes and list(scores) == LAYERS
    assert all(score.dtype == torch.float64 and bool(score.isfinite().all()) for score in scores.values())
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    subset = view(model, inputs).cached().subset([3, 0])
    groups = find_unit_groups(model, inputs[:1])
    alone = Network(model, LAYERS, inputs[[3, 0]], LABELS[[3, 0]], groups=groups, batch_size=1)
    from_subset, expected = criterion.score(subset), criterion.score(alone)
    assert all(torch.allclose(expected[layer], from_subset[layer]) for layer in LAYERS)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
@given(seed=st.integers(0, 10**6), batch_size=st.integers(1, 7))
@settings(max_examples=examples(3), deadline=None)
def test_the_order_of_samples_and_of_filters_does_not_matter(name, seed, batch_size):
    model, inputs, generator = built(), samples(), torch.Generator().manual_seed(seed)
    expected = scored(name, model)
    order = torch.randperm(len(LABELS), generator=generator)
    again = scored(name, model, inputs[order], LABELS[order], batch_size)
    filters = torch.randperm(5, generator=generator)
    with torch.no_grad():
        model.two.weight[:], model.two.bias[:] = model.two.weight[filters], model.two.bias[filters]
        model.dense.weight[:] = model.dense.weight.reshape(6, 5, 4)[:, filters].reshape(6, 20)
    moved = scored(name, model)
    for layer in LAYERS:
        size = float(expected[layer].abs().max())
        assert torch.allclose(again[layer], expected[layer], rtol=1e-6, atol=1e-9 * size)
        wanted = expected[layer][filters] if layer == "two" else expected[layer]
        assert torch.allclose(moved[layer], wanted, rtol=1e-6, atol=1e-9 * size)


@pytest.mark.parametrize("name", rows(POWERS, FAST))
@given(factor=st.floats(0.2, 5), channel=st.integers(0, 4))
@example(factor=0.2, channel=1)
@example(factor=5.0, channel=1)
@settings(max_examples=examples(3), deadline=None)
def test_where_a_network_keeps_its_scale_matters_to_no_score_of_what_it_computes(name, factor, channel):
    model, power = built(), POWERS[name]
    options = WITHOUT_EPSILON.get(name, {})
    expected, scaled = scored(name, model, **options), copy.deepcopy(model)
    with torch.no_grad():
        scaled.two.weight[channel] *= factor
        scaled.two.bias[channel] *= factor
        scaled.dense.weight.reshape(6, 5, 4)[:, channel] /= factor
    assert torch.allclose(scaled(samples()), model(samples()))
    found = scored(name, scaled, **options)
    expected["two"][channel] *= factor**power
    # What reads it has other weights, and so is what it reads read by others.
    layers = ("one", "two") if power == 1 else ("two", "dense") if name in BY_READERS else LAYERS
    for layer in layers:
        size = float(expected[layer].abs().max())
        assert torch.allclose(found[layer], expected[layer], rtol=1e-4, atol=1e-6 * size)
