"""Whether the curves can be trusted: what the diagnostics found, or that they found nothing."""

from collections.abc import Iterator

import pandas as pd

from secateur.analysis.diagnostics import (
    FALL,
    GAP,
    LOSS,
    REBOUND,
    RETRAINING,
    RISE,
    STATISTICS,
    UNFITTED,
    in_both_modes,
)
from secateur.analysis.tables import CURVE
from secateur.analysis.ties import MANY, many
from secateur.report.table import Table, branch_words, build, percent, plain, signed


def sentences(diagnostics: pd.DataFrame, curves: pd.DataFrame, controls: pd.DataFrame) -> list[str]:
    """What the diagnostics say, a sentence a kind; where all is well, that it was looked at.

    Args:
        found: what `analysis.diagnostics.diagnose` gives for `curves`, of pruned networks, and `controls`.
    """
    by_kind = {kind: diagnostics[diagnostics["kind"] == kind] for kind in (STATISTICS, REBOUND, RETRAINING, UNFITTED)}
    return [
        _of_statistics(by_kind[STATISTICS], len(in_both_modes(pd.concat([controls, curves])))),
        _of_rebounds(by_kind[REBOUND], curves.groupby(CURVE).ngroups),
        *_of_retraining(by_kind[RETRAINING], {"fewshot", "retrain"} <= set(curves["branch"])),
        *_of_fitting(by_kind[UNFITTED]),
    ]


def _of_statistics(apart: pd.DataFrame, networks: int) -> str:
    if not networks:
        return "Accuracy on training images was not measured: nothing is known of batch-norm's statistics."
    if apart.empty:
        return (
            f"No network's accuracy on training images differs by more than {100 * GAP:g} points between eval and "
            f"train mode ({networks} networks): batch-norm's statistics are their own."
        )
    largest = 100 * apart["difference"].abs().max()
    return (
        f"Of {networks} networks {len(apart)} differ by more than {100 * GAP:g} points in their accuracy on training "
        f"images between eval and train mode ({_named(apart)}), by up to {largest:.1f}: they are measured by "
        "batch-norm statistics that are not their own."
    )


def _of_rebounds(rebounds: pd.DataFrame, curves: int) -> str:
    fall = f"by more than {100 * FALL:g} points and then {{}} by more than {100 * RISE:g} again"
    if rebounds.empty:
        return f"No curve falls {fall.format('rises')}."
    most = rebounds.loc[[rebounds["difference"].idxmin()]].iloc[0]
    trained = rebounds["branch"] == "retrain"
    said = [
        f"Of {curves} curves {len(rebounds)} fall {fall.format('rise')}; most of all {most['criterion']} on "
        f"{most['study']}, from {100 * most['value']:.1f} to {100 * most['other']:.1f} %."
    ]
    if trained.any():
        said.append(
            f"With retraining: {_named(rebounds[trained])}. A trained network hardly recovers by losing more; look at "
            "how these were trained and measured before trusting their means."
        )
    if not trained.all():
        said.append(
            f"Without: {_named(rebounds[~trained])}. There a network near guessing may rise by chance, and further up "
            "what goes later can undo part of the harm of what went before."
        )
    return " ".join(said)


def _of_retraining(worse: pd.DataFrame, both_branches: bool) -> Iterator[str]:
    for study, rows in worse.groupby("study", sort=True):
        worst = rows.loc[[rows["difference"].idxmin()]].iloc[0]
        yield (
            f"On {study} retraining costs accuracy: {worst['criterion']}, the best criterion with it, loses up to "
            f"{100 * -worst['difference']:.1f} points against not retraining (at a rate of "
            f"{100 * worst['rate']:.0f} %). With this recipe the branch says little about criteria."
        )
    if worse.empty and both_branches:
        yield f"Retraining costs the best criterion of no study more than {100 * LOSS:g} point at any rate."


def _of_fitting(unfitted: pd.DataFrame) -> Iterator[str]:
    for study, rows in unfitted.groupby("study", sort=True):
        lowest = rows.loc[[rows["rate"].idxmin()]].iloc[0]
        above = " and above" if rows["rate"].nunique() > 1 else ""
        yield (
            f"On {study}, with {100 * lowest['rate']:.0f} % of the filters gone{above}, no criterion's retrained "
            f"network fits its own training images: the best, {lowest['criterion']}, is right on "
            f"{100 * lowest['value']:.1f} % of them, the network before pruning on {100 * lowest['other']:.1f} %. It "
            "is too small, or trained too briefly for so large a cut; who is ahead there says more about the recipe "
            "than about the criteria."
        )


def of_ties(ties: pd.DataFrame) -> str:
    """Whether criteria choose among all units; `found` is what `analysis.ties.ties` gives."""
    tied = many(ties)
    if tied.empty:
        return (
            f"No criterion gives more than {100 * MANY:g} % of a network's units one and the same score "
            f"({len(ties)} rankings): which units go is decided by scores."
        )
    most = tied.loc[[0]].iloc[0]
    images = f"{most['samples_per_class']} image{'' if most['samples_per_class'] == '1' else 's'} a class"
    share, start, end = (f"{100 * most[name]:.0f}" for name in ("tied", "start", "end"))
    return (
        f"Of {len(ties)} rankings {tied['rankings'].sum()} give more than {100 * MANY:g} % of the units one and the "
        f"same score, most of all {most['criterion']} on {most['study']} from {images}: {share} % of the units, so "
        f"that at rates between {start} and {end} % which units go is decided by their order, not by the criterion."
    )


def ties_table(ties: pd.DataFrame) -> Table:
    """The rankings in which many units have one score."""
    return build(
        "ties-table", "Scores that do not choose",
        f"Rankings in which more than {100 * MANY:g} % of the units have one and the same score, as a rule zero. At "
        "rates between the two last columns (of units, in the order over all layers) which of them go is decided by "
        "their order: ties are spread over the layers. Means over the seeds concerned; every ranking is in the table "
        "behind.",
        many(ties), {
            "criterion": ("criterion", str), "study": ("study", str), "samples_per_class": ("images per class", str),
            "rankings": ("seeds concerned", plain), "seeds": ("of", plain), "units": ("units", plain),
            "tied": ("of one score", percent), "start": ("from rate", percent), "end": ("to rate", percent),
        }, "statistics/ties.csv",
    )  # fmt: skip


def table(diagnostics: pd.DataFrame) -> Table:
    """What of the curves speaks of how they were measured; see analysis/diagnostics.py."""
    words = {
        "statistics": "accuracy on training images, in eval mode beside train mode",
        "rebound": "lowest accuracy, beside a later one",
        "retraining": "mean accuracy with retraining, beside that without",
        "unfitted": "highest mean accuracy on training images after retraining, beside that before pruning",
    }
    frame = diagnostics.assign(
        kind=diagnostics["kind"].map(words), rate=diagnostics["rate"].map(percent),
        criterion=diagnostics["criterion"].where(diagnostics["criterion"] != "", "unpruned"),
    )  # fmt: skip
    return build(
        "diagnostics-table", "What speaks of the measuring, not of criteria",
        "Every network, curve and rate behind the sentences above: what is compared, both numbers, and their "
        "difference in percentage points.",
        frame, {
            "kind": ("what", str), "study": ("study", str), "branch": ("retraining", branch_words),
            "criterion": ("criterion", str), "samples_per_class": ("images per class", str), "seed": ("seed", plain),
            "rate": ("rate", str), "value": ("the one", percent), "other": ("the other", percent),
            "difference": ("difference", signed),
        }, "statistics/diagnostics.csv",
    )  # fmt: skip


def _named(rows: pd.DataFrame) -> str:
    """How many rows are of which criterion, the most frequent first."""
    names = rows["criterion"].where(rows["criterion"] != "", "unpruned")
    return ", ".join(f"{name} {count}" for name, count in names.value_counts(sort=True).items())
