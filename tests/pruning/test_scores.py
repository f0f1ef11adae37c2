"""From layer scores to unit scores."""

import pytest
import torch
from tests.pruning import networks

from secateur.errors import SecateurError
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import find_unit_groups

GROUPS = find_unit_groups(networks.Gated(), torch.zeros(1, 3, 8, 8))
SCORES = {
    "stem": torch.arange(8.0),
    "depthwise": torch.full((8,), 10.0),
    "excite": torch.arange(8.0).flip(0),
    "grouped": torch.arange(12.0),
    "squeeze": torch.tensor([3.0, -4.0, 0.0]),
}


def test_members_are_combined_over_all_channels_of_a_unit() -> None:
    # Unit 0 of "stem": channels 0 and 1 of stem, depthwise and excite, and 0, 1, 2 of grouped.
    members = [0.0, 1.0, 10.0, 10.0, 7.0, 6.0, 0.0, 1.0, 2.0]
    assert unit_scores(GROUPS, SCORES)["stem"][0] == sum(members)
    assert unit_scores(GROUPS, SCORES, "mean")["stem"][0] == pytest.approx(sum(members) / 9)
    assert unit_scores(GROUPS, SCORES, "max")["stem"].tolist() == [10.0] * 3 + [11.0]
    assert unit_scores(GROUPS, SCORES, "first")["stem"].tolist() == [0.0, 2.0, 4.0, 6.0]
    assert unit_scores(GROUPS, SCORES)["stem"].dtype == torch.float64


def test_normalisation_makes_layers_comparable() -> None:
    assert unit_scores(GROUPS, SCORES, normalisation="sum")["squeeze"].tolist() == [3 / 7, -4 / 7, 0]
    assert unit_scores(GROUPS, SCORES, normalisation="l2")["squeeze"].tolist() == [3 / 5, -4 / 5, 0]
    zeros = SCORES | {"squeeze": torch.zeros(3)}
    assert unit_scores(GROUPS, zeros, normalisation="l2")["squeeze"].tolist() == [0, 0, 0]


def test_each_layer_is_normalised_before_members_are_combined() -> None:
    """Scaling one layer's scores changes nothing, whatever other layers its channels are tied to."""
    scaled = SCORES | {"stem": 1024 * SCORES["stem"], "grouped": SCORES["grouped"] / 64}
    for normalisation in ("sum", "l2"):
        expected = unit_scores(GROUPS, SCORES, normalisation=normalisation)["stem"]
        assert torch.allclose(unit_scores(GROUPS, scaled, normalisation=normalisation)["stem"], expected, rtol=1e-12)
    lengths = [float(SCORES[layer].double().norm()) for layer in ("stem", "depthwise", "excite", "grouped")]
    by_hand = (0 + 1) / lengths[0] + 20 / lengths[1] + (7 + 6) / lengths[2] + (0 + 1 + 2) / lengths[3]
    assert float(unit_scores(GROUPS, SCORES, normalisation="l2")["stem"][0]) == pytest.approx(by_hand, rel=1e-12)


def test_bad_scores_are_one_clear_error() -> None:
    with pytest.raises(SecateurError, match="combine 'median'"):
        unit_scores(GROUPS, SCORES, "median")
    with pytest.raises(SecateurError, match="normalisation 'l1'"):
        unit_scores(GROUPS, SCORES, normalisation="l1")
    with pytest.raises(SecateurError, match="no scores for layer excite"):
        unit_scores(GROUPS, {name: value for name, value in SCORES.items() if name != "excite"})
    with pytest.raises(SecateurError, match=r"squeeze have shape \(2,\)"):
        unit_scores(GROUPS, SCORES | {"squeeze": torch.ones(2)})
    with pytest.raises(SecateurError, match="squeeze: 1 are not finite"):
        unit_scores(GROUPS, SCORES | {"squeeze": torch.tensor([1.0, float("nan"), 0.0])})
