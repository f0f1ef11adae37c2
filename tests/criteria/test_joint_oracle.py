"""The joint oracle: the literal greedy search, the best of all subsets where greed finds it, and what pairs hide."""

import itertools
import statistics

import pytest
import torch
from tests.criteria.networks import LABELS, Residual, built, samples, view
from tests.tiers import rows
from torch import nn
from torch.nn import functional

from secateur.criteria import oracle, oracle_joint
from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.units import find_unit_groups
from secateur.ranking import joint
from secateur.ranking.joint import greedy_order
from secateur.ranking.network import Network


def badness(model, groups, selection, inputs, labels):
    with torch.no_grad(), masked(model, groups, selection):
        logits = model(inputs)
    return float(functional.cross_entropy(logits, labels)), float((logits.argmax(1) != labels).double().mean())


def literal(model, groups, inputs, labels, of, at_once):
    """Masks on the whole network, every set of units written out; three are looked at where not all are."""

    def without(units):
        selection = {group.name: [unit for number, unit in units if groups[number] is group] for group in groups}
        loss, wrong = badness(model, groups, selection, inputs, labels)
        return (wrong if of == "accuracy" else 0, loss)

    order, left = [], [(number, unit) for number, group in enumerate(groups) for unit in range(group.size)]
    while True:
        last = {one: without([*order, one]) for one in left}
        taken = 0
        while taken < at_once:
            free = [one for one in left if sum(one[0] == other[0] for other in left) > 1]
            if not free:
                break
            if taken:
                free = sorted((last[one], one) for one in free)[:3]
                free = [one for _, one in free]
                last |= {one: without([*order, one]) for one in free}
            _, best = min((last[one], one) for one in free)
            order.append(best)
            left.remove(best)
            taken += 1
        if not taken:
            return order + sorted(left, key=lambda one: (last[one], one))


@pytest.mark.parametrize("of", ["loss", "accuracy"])
@pytest.mark.parametrize(("kind", "at_once"), [("Chain", 1), ("Chain", 4), ("Residual", 1), ("Residual", 3)])
def test_the_order_is_that_of_a_literal_greedy_search(monkeypatch, kind, at_once, of):
    monkeypatch.setattr(joint, "LOOKED_AT", 3)
    model = built() if kind == "Chain" else built(Residual)
    inputs = samples()
    groups = find_unit_groups(model, inputs[:1])
    total = sum(group.size for group in groups)
    found = greedy_order(model, groups, [(inputs[:4], LABELS[:4]), (inputs[4:], LABELS[4:])], of, at_once / total)
    expected = literal(model, groups, inputs, LABELS, of, at_once)
    assert [float(found[groups[number].name][unit]) for number, unit in expected] == list(range(total))
    alone = [(model, groups, {group.name: [unit]}, inputs, LABELS) for group in groups for unit in range(group.size)]
    assert len({badness(*one)[0] for one in alone}) > 3, "units differ"


class Saturated(nn.Module):
    """Nine units that three saturating ones add up: of several that say the same, one is enough."""

    def __init__(self, weights):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(2, 9, bias=False), nn.Linear(9, 3, bias=False), nn.Linear(3, 2)
        with torch.no_grad():
            self.first.weight[:] = 1
            self.second.weight[:] = 0
            for unit, weight in enumerate(weights):
                self.second.weight[unit // 3, unit] = weight
            self.head.weight[:] = torch.tensor([[1.0, 0.7, 0.4], [-1.0, -0.7, -0.4]])
            self.head.bias[:] = 0

    def forward(self, x):
        return self.head(functional.hardtanh(self.second(self.first(x).relu())))


def planted(weights):
    model = Saturated(weights).double().eval()
    inputs, labels = torch.full((1, 2), 0.5).double(), torch.zeros(1, dtype=torch.long)
    return model, find_unit_groups(model, inputs), inputs, labels


def best_of_all_subsets(model, groups, inputs, labels):
    """Number of units gone → the lowest loss of any set of so many that empties no group."""
    units = [(group.name, unit) for group in groups for unit in range(group.size)]
    assert len(units) == 12
    found = {}
    for count in range(1, 11):
        losses = []
        for chosen in itertools.combinations(units, count):
            selection = {group.name: [unit for name, unit in chosen if name == group.name] for group in groups}
            if all(len(selection[group.name]) < group.size for group in groups):
                losses.append(badness(model, groups, selection, inputs, labels)[0])
        found[count] = min(losses)
    return found


def losses_along(model, groups, inputs, labels, places, most=10):
    units = sorted(
        (float(place), group.name, unit) for group in groups for unit, place in enumerate(places[group.name])
    )
    found = {}
    for count in range(1, most + 1):
        selection = {group.name: [unit for _, name, unit in units[:count] if name == group.name] for group in groups}
        found[count] = badness(model, groups, selection, inputs, labels)[0]
    return found


def test_it_finds_the_best_of_all_subsets_where_greed_can():
    """Units that say the same are worth nothing one by one: the oracle of each alone takes all of them at once."""
    model, groups, inputs, labels = planted([1.5, 1.4, 1.3, 1.2, 0.1, 0.15, 0.9, 0.05, 0.02])
    best = best_of_all_subsets(model, groups, inputs, labels)
    places = greedy_order(model, groups, [(inputs, labels)])
    assert losses_along(model, groups, inputs, labels, places) == pytest.approx(best, abs=1e-12)
    network = Network(model, ["first", "second"], inputs, labels, groups=groups)
    alone = oracle.score(network)
    along = losses_along(model, groups, inputs, labels, {group.name: alone[group.name] for group in groups})
    assert all(along[count] >= best[count] - 1e-12 for count in best)
    assert along[6] > 5 * best[6], "each of the first three seems to be worth nothing"


def test_a_block_does_not_take_units_that_stand_in_for_each_other_unseen(monkeypatch):
    """The first three say the same, so each alone is worth nothing: half of the units at once would take them all."""
    monkeypatch.setattr(joint, "LOOKED_AT", 4)
    model, groups, inputs, labels = planted([1.5, 1.4, 1.3, 1.2, 0.1, 0.15, 0.9, 0.05, 0.02])
    best = best_of_all_subsets(model, groups, inputs, labels)
    places = greedy_order(model, groups, [(inputs, labels)], step=0.5)
    along = losses_along(model, groups, inputs, labels, places)
    assert all(along[count] < 1.5 * best[count] for count in (3, 4, 5, 6))


class Stream(nn.Module):
    """48 units: twelve in a residual stream that two layers write to and two read, the others inside and behind it."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        self.back, self.norm = nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.last, self.hidden, self.head = nn.Conv2d(12, 16, 3, stride=2), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x).relu()
        x = (x + self.norm(self.back(self.inner(x).relu()))).relu()
        return self.head(self.hidden(self.last(x).relu().mean((2, 3))).relu())


def trained(seed):
    """Such a network, taught to tell four noisy patterns from each other."""
    torch.manual_seed(seed)
    model, labels = Stream().double(), torch.arange(48) % 4
    images = torch.randn(4, 1, 8, 8).double()[labels] + 0.7 * torch.randn(48, 1, 8, 8).double()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model.eval(), images, labels


def forgetting(model, batches, of, groups, known, most):
    """A block of which each unit is one of the next three in the order of each alone, whatever was measured since."""
    block, going = [], {group.name: [] for group in groups}
    while len(block) < most:
        free = [one for one in known if one not in block and len(going[groups[one[0]].name]) < groups[one[0]].size - 1]
        if not free:
            break
        few = sorted(free, key=lambda one: (known[one], one))[: 3 if block else 1]
        found = joint._tried(model, batches, of, groups, going, few)
        block.append(min(few, key=lambda one: (found[one], one)))
        going[groups[block[-1][0]].name].append(block[-1][1])
    return block


@pytest.mark.parametrize("seed", rows([0, 1, 2], []))
def test_a_search_in_blocks_is_nearly_as_good_as_the_literal_one(monkeypatch, seed):
    """Within 0.1 nats of it, averaged along the order, where three of 48 units are looked at for a place and a quarter
    of them goes before all are tried anew. What judges units at the start of a block is far from it."""
    monkeypatch.setattr(joint, "LOOKED_AT", 3)
    model, images, labels = trained(seed)
    groups = find_unit_groups(model, images[:1])
    assert sum(group.size for group in groups) == 48 and any(group.residual for group in groups)

    def mean_loss(step):
        places = greedy_order(model, groups, [(images, labels)], step=step)
        return statistics.mean(losses_along(model, groups, images, labels, places, 44).values())

    literally = mean_loss(0)
    assert badness(model, groups, {}, images, labels)[0] < 0.01 and 0.3 < literally < 0.6
    assert mean_loss(0.25) < literally + 0.1
    with monkeypatch.context() as patch:
        patch.setattr(joint, "_block", forgetting)
        assert mean_loss(0.25) > literally + 0.15, "three of those that looked best at the start"
    monkeypatch.setattr(joint, "LOOKED_AT", 1)
    assert mean_loss(0.25) > literally + 0.3, "the order of each alone"


def test_the_last_unit_of_a_group_goes_last():
    model, groups, inputs, labels = planted([0.01] * 9)
    for step in (0, 0.5, 0.9):
        places = greedy_order(model, groups, [(inputs, labels)], step=step)
        assert sorted(torch.cat(list(places.values())).tolist()) == list(range(12))
        assert sorted(float(values.max()) for values in places.values()) == [10, 11]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": 1}, "step=1: allowed is a share of at least 0 and below 1"),
        ({"step": -0.1}, "step=-0.1"),
        ({"step": float("nan")}, "step=nan"),
        ({"of": "error"}, "of='error': not known. Choose one of loss, accuracy"),
    ],
)
def test_a_bad_option_is_named(options, words):
    with pytest.raises(SecateurError, match=words):
        oracle_joint.score(view(built(), samples()), **options)


def test_units_and_labels_are_needed():
    model, inputs = built(), samples()
    with pytest.raises(SecateurError, match="give `groups`"):
        oracle_joint.score(Network(model, ["one"], inputs, LABELS))
    groups = find_unit_groups(model, inputs[:1])
    with pytest.raises(SecateurError, match="labels of the reference samples"):
        oracle_joint.score(Network(model, ["one"], inputs, groups=groups))
