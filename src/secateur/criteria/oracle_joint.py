"""Joint oracle: units removed one after the other, each the one that hurts least when those before it are gone."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "the lazy search: Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978"
NORMALISATION = "none"  # places in one order of all units
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels")


def score(network: Network, *, of: str = "loss", step: float = 0.05) -> dict[str, Tensor]:
    """A unit's place in the order of removal, by what really happens to the reference samples.

    The oracle of each unit alone is blind to pairs: of two units that say the same, either is worthless while the other
    is there. `of`: "loss", or "accuracy" (share told wrongly; of equals the loss). `step`: share of all units that go
    before the rest is tried anew; within it units are chosen from the sixteen that did the least harm when they were
    last tried. At 0 all are tried for every place: half as many passes as the square of the number of units; at 0.05
    some 26 times as many as units. Networks get smaller on the way, and a pass begins at the layer that is changed.
    """
    return network.joint_order(of, step)
