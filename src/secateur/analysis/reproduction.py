"""Is a published accuracy of the 2-D study reproduced? The rule, what it can tell apart, and its negative control.

The published mean is that of one network over its draws of reference samples. It counts as reproduced if it lies in the
95 % prediction interval for one more network of ours, measured on as many other draws and on another training set. The
difference of the two means then has four sources of variance, each with its own sample size:

    v = s_networks² (1 + 1/K) + s_published² / D' + s_draws² / D + Σ p (1 − p) / N

with K networks of ours and the spread s_networks of their means, D' published and D own draws, and accuracies p on N
points (both sides; an upper bound for points that are evenly spaced). The half width is t_ν √v with Welch and
Satterthwaite's degrees of freedom ν. Its power is stated by the difference that is found in 80 % of the cases, and by a
negative control: how often the published cell of *another* criterion would pass in place of the right one.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
POWER = 0.80
WRONG_ALLOWED = 0.10
"""A rule that lets more than this share of wrong cells pass says little; the report then says why."""
TINY = 1e-300

LEAST_NETWORKS = 3
"""With two, the interval holds in 90 % of simulated studies and not in 95: a spread of two says too little."""

NUMBERS = ["published_mean", "published_std", "published_draws", "ours_mean", "network_std", "networks", "draw_std",
           "draws", "points"]  # fmt: skip
CELL = ["dataset", "samples_per_class", "evaluated_on", "noise_sigma"]


def half_widths(cells: pd.DataFrame) -> pd.DataFrame:
    """`half_width` of the prediction interval and the `detectable` difference of each row, shares of 1.

    Args:
        cells: the columns NUMBERS; `points` are those evaluated on, on either side.

    Returns:
        Two columns, NaN where there are fewer than LEAST_NETWORKS. `detectable`: a true difference of this size is
        called "not reproduced" with a probability of 80 %.
    """
    cells = cells[NUMBERS].astype(float)
    networks, draws, theirs = (cells[name] for name in ("networks", "draws", "published_draws"))
    parts = [
        (cells["network_std"] ** 2 * (1 + 1 / networks), networks - 1),
        (cells["draw_std"] ** 2 / draws, (draws - 1).clip(lower=1)),
        (cells["published_std"] ** 2 / theirs, theirs - 1),
    ]
    variance = parts[0][0] + parts[1][0] + parts[2][0]
    for mean in ("published_mean", "ours_mean"):
        variance = variance + _sampling_variance(cells[mean], cells["points"])
    freedom = _freedom(variance, parts)
    width = np.sqrt(variance)
    outer, inner = stdtrit(freedom, 0.5 + LEVEL / 2), stdtrit(freedom, POWER)
    widths = pd.DataFrame({"half_width": outer * width, "detectable": (outer + inner) * width}, index=cells.index)
    return widths.where(networks >= LEAST_NETWORKS)


def wrong_cells(comparison: pd.DataFrame) -> pd.DataFrame:
    """The negative control: our cells beside the published cells of every other criterion.

    Args:
        comparison: rows of `toy_reproduction.compare` that were tested.

    Returns:
        A row a pair with the columns of `comparison` but the published ones of `other`, `passes` (it would count as
        reproduced), and `alike`: the published means of the two criteria differ by less than their own draws and points
        can tell (Welch's test at 5 %), so that no rule could keep them apart.
    """
    comparison = comparison.astype(dict.fromkeys(NUMBERS, float))
    settings = [name for name in comparison if name in (*CELL, "variant", "references", "steps")]
    published = ["published_mean", "published_std", "published_draws"]
    right = comparison[[*settings, "criterion", *published]]
    pairs = comparison.drop(columns=["half_width", "detectable"]).merge(
        right.rename(columns={"criterion": "other"}), on=settings, suffixes=("_own", "")
    )
    pairs = pairs[pairs["criterion"] != pairs["other"]].reset_index(drop=True)
    width = half_widths(pairs)["half_width"]
    pairs["passes"] = (pairs["ours_mean"] - pairs["published_mean"]).abs() <= width
    pairs["alike"] = _welch_p(pairs) > 1 - LEVEL
    return pairs


def _sampling_variance(share: pd.Series, points: pd.Series) -> pd.Series:
    """p (1 − p) / N, with one right and one wrong point added, so that a share of 1 is not taken for exact."""
    smoothed = (share * points + 1) / (points + 2)
    return smoothed * (1 - smoothed) / points


def _welch_p(pairs: pd.DataFrame) -> np.ndarray:
    """p that two published means are equal, by the spread of their draws and the points that they were measured on."""
    parts = [
        (pairs[f"published_std{end}"] ** 2 / pairs[f"published_draws{end}"], pairs[f"published_draws{end}"] - 1.0)
        for end in ("", "_own")
    ]
    variance = parts[0][0] + parts[1][0]
    for end in ("", "_own"):
        variance = variance + _sampling_variance(pairs[f"published_mean{end}"], pairs["points"])
    difference = (pairs["published_mean"] - pairs["published_mean_own"]).abs()
    statistic = difference / np.sqrt(variance)
    return np.asarray(2 * stdtr(_freedom(variance, parts), -statistic))


def _freedom(variance: pd.Series, parts: list[tuple[pd.Series, pd.Series]]) -> np.ndarray:
    """Welch and Satterthwaite's degrees of freedom of a sum of variances, each with its own; at least one."""
    spent = np.sum([(part**2 / count).to_numpy(dtype=float) for part, count in parts], axis=0)
    return np.asarray((variance.to_numpy(dtype=float) ** 2 / np.maximum(spent, TINY)).clip(1.0, 1e6))
