"""DeepLIFT (rescale): what a filter's difference from a reference input contributes to the true class's logit."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Shrikumar et al., Learning important features through propagating activation differences, ICML 2017"
NORMALISATION = "none"  # before |·|, contributions of a layer that nothing bypasses sum up to the logit's difference
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, reference: str = "zero") -> dict[str, Tensor]:
    """Σ over samples of |Σ over positions of (a − a₀) · multiplier|.

    `reference`: where a₀ comes from, an input of zeros ("zero") or the mean reference sample ("mean"). With zero biases
    and a zero reference this is LRP-ε at ε → 0 (Ancona et al., 2018).
    """
    sums = network.zeros()
    for signals in network.differences(reference):
        for layer, (step, multiplier) in signals.items():
            sums[layer] += (step.double() * multiplier.double()).sum(2).abs().sum(0)
    return sums
