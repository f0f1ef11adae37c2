"""In one line, for the report: what this criterion asks of a filter."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Author et al., Title, Venue, year"
# How scores become comparable between layers: "none", "sum" or "l2" (each layer's scores divided by their norm).
NORMALISATION = "l2"
# What it looks at: "samples" (the reference images), "labels", "gradients"; () for none: then no data are loaded.
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, power: int = 1) -> dict[str, Tensor]:
    """For each layer one number per output channel; higher = more important, lower is removed first.

    `power`: an option; keyword-only parameters are options that a config may set.
    """
    sums = network.zeros()  # layer -> zeros, one per output channel
    for batch in network.gradients():  # also: outputs(), relevance("epsilon"), weight_gradients(), ...
        for layer, (output, gradient) in batch.items():  # samples × channels × positions, before the non-linearity
            sums[layer] += (output * gradient).abs().double().pow(power).sum((0, 2))
    return sums
