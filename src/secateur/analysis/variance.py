"""What varies: between studies, between the seeds of a study, and what neither explains (Bouthillier et al. 2021).

Of a study it also says how much each component of a seed explains (head, reference images, pretraining, split), from
pairs of networks that differ in one of them alone.

The model of a measure of criterion c on seed r of study s, with criteria fixed and everything else random:

    value = mean + criterion[c] + study[s] + interaction[c, s] + seed[s, r] + residual[c, s, r]

A seed shifts all criteria alike (it is a block), so paired differences within a study contain the residual alone; over
studies they contain the interaction too: how much the advantage of a criterion depends on the study.
"""

from typing import Any

import numpy as np

RESIDUAL, SEED, INTERACTION, STUDY = "criterion × seed", "seed within study", "criterion × study", "study"
COLUMNS = ["varied", "component", "variance", "sd", "share", "degrees_of_freedom", "studies", "seeds", "criteria"]


def components(values: np.ndarray) -> list[dict[str, Any]]:
    """Variance components by the method of moments (equal to REML where all are positive and the design is balanced).

    Args:
        values: shape (studies, seeds, criteria), finite, at least two seeds and two criteria.

    Returns:
        One row a component with `COLUMNS`, the residual first; `study` and `criterion × study` with two studies or
        more. A component that comes out below zero is 0. `share` is its part of their sum (NaN if all are 0).
    """
    studies, seeds, criteria = values.shape
    of_seed, of_study = values.mean(axis=2), values.mean(axis=(1, 2))
    of_cell = values.mean(axis=1)  # studies × criteria
    residual = values - of_seed[:, :, None] - of_cell[:, None, :] + of_study[:, None, None]
    freedom = {RESIDUAL: studies * (seeds - 1) * (criteria - 1), SEED: studies * (seeds - 1)}
    squares = {
        RESIDUAL: float((residual**2).sum()) / freedom[RESIDUAL],
        SEED: criteria * float(((of_seed - of_study[:, None]) ** 2).sum()) / freedom[SEED],
    }
    estimates = {RESIDUAL: squares[RESIDUAL], SEED: (squares[SEED] - squares[RESIDUAL]) / criteria}
    if studies > 1:
        of_all, of_criterion = values.mean(), values.mean(axis=(0, 1))
        mixed = of_cell - of_study[:, None] - of_criterion[None, :] + of_all
        freedom |= {INTERACTION: (studies - 1) * (criteria - 1), STUDY: studies - 1}
        squares[INTERACTION] = seeds * float((mixed**2).sum()) / freedom[INTERACTION]
        squares[STUDY] = criteria * seeds * float(((of_study - of_all) ** 2).sum()) / freedom[STUDY]
        estimates[INTERACTION] = (squares[INTERACTION] - squares[RESIDUAL]) / seeds
        estimates[STUDY] = (squares[STUDY] - squares[SEED] - squares[INTERACTION] + squares[RESIDUAL]) / (
            criteria * seeds
        )
    estimates = {name: max(0.0, value) for name, value in estimates.items()}
    total = sum(estimates.values())
    return [
        {"varied": "", "component": name, "variance": value, "sd": value**0.5,
         "share": value / total if total else np.nan,
         "degrees_of_freedom": freedom[name], "studies": studies, "seeds": seeds, "criteria": criteria}
        for name, value in estimates.items()
    ]  # fmt: skip


def drawn_anew(pairs: np.ndarray, varied: str, whole: dict[str, float]) -> list[dict[str, Any]]:
    """Variance that one component of a seed explains: half of what a pair differs by that has only it drawn anew.

    That is the component's total effect with all that it does together with others (Jansen, Analysis of variance
    designs for model output, 1999; Saltelli et al. 2010), so that the parts of several components may sum to more than
    the whole. Split into what shifts all criteria alike and what does not, as in `components`.

    Args:
        pairs: shape (pairs, 2, criteria), finite, at least one pair and two criteria: values of two networks each.
        varied: name of the component; whole: component of the variance → its size where everything varies.

    Returns:
        Rows with `COLUMNS`: the residual, then the seed. `share` is the part of the whole (NaN where that is 0).
    """
    count, _, criteria = pairs.shape
    differences = pairs[:, 1] - pairs[:, 0]
    alike = differences.mean(axis=1)
    rest = float(((differences - alike[:, None]) ** 2).sum()) / (2 * count * (criteria - 1))
    seed = (criteria * float((alike**2).sum()) / (2 * count) - rest) / criteria
    estimates = {RESIDUAL: (rest, count * (criteria - 1)), SEED: (max(0.0, seed), count)}
    return [
        {"varied": varied, "component": name, "variance": value, "sd": value**0.5,
         "share": value / whole[name] if whole.get(name) else np.nan,
         "degrees_of_freedom": freedom, "studies": 1, "seeds": count, "criteria": criteria}
        for name, (value, freedom) in estimates.items()
    ]  # fmt: skip
