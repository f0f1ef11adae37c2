"""Isomorphic ranking: which groups have one structure, and that each class is ranked as if it were alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pruning import networks
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.isomorphism import classes
from secateur.pruning.selection import Selector, select, select_many
from secateur.pruning.units import find_unit_groups


class Blocks(nn.Module):
    """Two residual blocks of different widths and kernels, a block with a depthwise convolution, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.in_a, self.norm_a, self.out_a = nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5), nn.Conv2d(5, 6, 1)
        self.in_b, self.norm_b, self.out_b = nn.Conv2d(6, 9, 1), nn.BatchNorm2d(9), nn.Conv2d(9, 6, 3, padding=1)
        self.in_c, self.depthwise, self.out_c = (
            nn.Conv2d(6, 4, 1),
            nn.Conv2d(4, 4, 3, 1, 1, groups=4),
            nn.Conv2d(4, 6, 1),
        )
        self.dense, self.head = nn.Linear(6, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.out_a(self.norm_a(self.in_a(x.relu())).relu())
        x = x + self.out_b(self.norm_b(self.in_b(x.relu())).relu())
        x = x + self.out_c(self.depthwise(self.in_c(x.relu())).relu())
        return self.head(self.dense(x.mean((2, 3))).relu())


MODEL = Blocks().eval()
GROUPS = find_unit_groups(MODEL, torch.zeros(1, 3, 8, 8))
CLASS = dict(zip([group.name for group in GROUPS], classes(GROUPS, "isomorphic", MODEL), strict=True))


def random_scores(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {group.name: torch.randint(0, 5, (group.size,), generator=generator).double() for group in GROUPS}


def test_groups_of_one_structure_are_those_made_and_read_by_the_same_kinds_of_layers():
    assert set(CLASS) == {"stem", "in_a", "in_b", "in_c", "dense"}
    assert CLASS["in_a"] == CLASS["in_b"], "widths and kernels do not count"
    assert len(set(CLASS.values())) == 4, "the stream, blocks with a depthwise convolution and neurons are their own"
    assert classes(GROUPS, "global") == [0] * 5 and classes(GROUPS, "per-layer") == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(0, 0.74), st.integers(1, 2))
def test_each_class_is_ranked_as_if_it_were_alone(seed: int, rate: float, min_units: int) -> None:
    rate = min(rate, 0.5) if min_units == 2 else rate
    scores = random_scores(seed)
    found = select(GROUPS, scores, rate, Selector("isomorphic", min_units), MODEL)
    for number in set(CLASS.values()):
        members = [group for group in GROUPS if CLASS[group.name] == number]
        alone = select(members, scores, rate, Selector(min_units=min_units))
        assert {group.name: found[group.name] for group in members} == alone


def test_classes_of_one_group_are_ranked_per_layer_and_one_class_globally():
    scores = random_scores(1) | {"in_a": torch.full((5,), -1.0)}
    apart = [group for group in GROUPS if group.name != "in_b"]
    together = [group for group in GROUPS if group.name in ("in_a", "in_b")]
    for members, scheme in ((apart, "per-layer"), (together, "global")):
        for rate in (0, 0.3, 0.6):
            expected = select(members, scores, rate, Selector(scheme))
            assert select(members, scores, rate, Selector("isomorphic"), MODEL) == expected
    assert select(GROUPS, scores, 0.4, Selector("isomorphic"), MODEL) not in (
        select(GROUPS, scores, 0.4),
        select(GROUPS, scores, 0.4, Selector("per-layer")),
    )


def test_the_order_in_which_batch_norms_are_named_is_no_structure():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.z, self.y = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.PReLU(4)
            self.two, self.a, self.b = nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5), nn.PReLU(5)
            self.last = nn.Conv2d(5, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.b(self.a(self.two(self.y(self.z(self.one(x)))))))

    model = Named().eval()
    assert classes(find_unit_groups(model, torch.zeros(1, 3, 4, 4)), "isomorphic", model) == [0, 0]


def test_bad_arguments_are_one_clear_error():
    scores = random_scores(2)
    with pytest.raises(SecateurError, match="scheme 'isomorphic' needs the model"):
        select(GROUPS, scores, 0.1, Selector("isomorphic"))
    with pytest.raises(SecateurError, match="allowed are global, per-layer, isomorphic"):
        select(GROUPS, scores, 0.1, Selector("alike"))
    with pytest.raises(
        SecateurError, match=r"rate 0.95 isomorphic means removing 13.3 of the 5 \+ 9 units of group in_a"
    ):
        select(GROUPS, scores, 0.95, Selector("isomorphic"), MODEL)
    with pytest.raises(SecateurError, match="goes with scheme 'global' only, not 'isomorphic'"):
        select(GROUPS, scores, 0.1, Selector("isomorphic", 1, "macs", (3, 8, 8)), MODEL)


def test_rates_are_nested_and_a_network_of_equal_layers_is_ranked_globally():
    scores = random_scores(3)
    fewer, more = select_many(GROUPS, scores, [0.2, 0.5], Selector("isomorphic"), MODEL)
    assert all(set(fewer[name]) <= set(more[name]) for name in more)
    chain = networks.chain().eval()
    assert classes(find_unit_groups(chain, torch.zeros(1, 3, 16, 16)), "isomorphic", chain) == [0, 1, 2]
