"""The page's tables of statistics: pairs, verdicts, agreement, variance; and of what was studied."""

from typing import Any

import pandas as pd

from secateur.report.numbers import told_apart
from secateur.report.table import (
    OVER_ALL,
    Table,
    branch_words,
    build,
    of_setting,
    p_value,
    percent,
    plain,
    row_id,
    signed,
)

MAIN = "mean_accuracy_over_rate"


def pairwise(tests: pd.DataFrame, ranks: pd.DataFrame) -> Table:
    """Every pair of criteria by the main measure, with its tests.

    Args:
        tests, ranks: the statistics of these names.
    """
    frame = tests[tests["measure"] == MAIN].sort_values("scope", key=lambda scope: scope != "study", kind="stable")
    keys = ["scope", "study", "branch", "samples_per_class"]
    apart = {key: told_apart(group) for key, group in ranks[ranks["measure"] == MAIN].groupby(keys)}
    decidable = {key for key, group in ranks[ranks["measure"] == MAIN].groupby(keys) if not group["note"].iloc[0]}
    setting = list(zip(*(frame[key] for key in keys), strict=True))
    pairs = [frozenset(pair) for pair in zip(frame["criterion"], frame["other"], strict=True)]
    frame["nemenyi"] = [
        ("apart" if pair in apart[key] else "level") if key in decidable else "cannot tell"
        for key, pair in zip(setting, pairs, strict=True)
    ]
    frame["study"] = frame["study"].where(frame["scope"] == "study", OVER_ALL)
    reasons = [str(note) for note in dict.fromkeys(frame["note"]) if note]
    return build(
        "pairs-table", "Every pair, tested",
        "Difference: criterion minus other, in percentage points of mean accuracy over rates; from … to: exact "
        "interval of the signed-rank test, of this pair alone. “Nemenyi”: whether the two are told apart when all "
        "pairs are corrected for, as in the pictures. p-values are two-sided; “Holm” is corrected for all pairs of "
        "the same setting. “≈”: probability that the two are practically equal (within one point), by the Bayesian "
        "signed-rank test." + (f" Where a p-value is missing: {'; '.join(reasons)}." if reasons else ""),
        frame, {
            "criterion": ("criterion", str), "other": ("other", str), "study": ("study", str),
            "branch": ("retraining", branch_words), "samples_per_class": ("images per class", str),
            "mean_difference": ("difference", signed), "low": ("from", signed), "high": ("to", signed),
            "nemenyi": ("Nemenyi", str),
            "rank_biserial": ("rank-biserial", plain), "wilcoxon_p": ("Wilcoxon p", p_value),
            "wilcoxon_holm": ("… Holm", p_value), "permutation_p": ("permutation p", p_value),
            "permutation_holm": ("… Holm", p_value), "p_better": ("P(better)", plain), "p_equal": ("P(≈)", plain),
            "n": ("n", plain), "source": ("from", str),
        }, "statistics/tests.csv", of_setting, 450,
    )  # fmt: skip


def adding(verdicts: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """The rows of verdicts.csv that say something of their own: a place whose studies are those of another row repeats
    it, as a dataset with one study does, or the one study of a run.

    Args:
        verdicts: verdicts.csv; studies: one row a study, columns `study dataset backbone`.
    """
    whole = frozenset(studies["study"])
    kept = {("overall", ""): whole} | ({("study", name): frozenset([name]) for name in whole} if len(whole) > 1 else {})
    for scope in ("dataset", "backbone"):
        for where, group in studies.groupby(scope):
            inside = frozenset(group["study"])
            if inside not in kept.values():
                kept[scope, str(where)] = inside
    places = zip(verdicts["scope"], verdicts["where"], strict=True)
    return verdicts[[(scope, "" if scope == "overall" else where) in kept for scope, where in places]]


def verdict_id(row: dict[str, Any]) -> str:
    """The id of a verdict's row in the table of all verdicts."""
    return row_id("verdict", row["claim"], row["criterion"], row["scope"], row["where"])


def verdict_table(verdicts: pd.DataFrame, studies: pd.DataFrame) -> Table:
    """Every verdict that adds something, with the numbers behind it."""
    frame = adding(verdicts, studies)
    left_out = len(verdicts) - len(frame)
    frame = frame.assign(place=frame["where"].where(frame["scope"] != "overall", "all"))
    return build(
        "verdicts-table", "Every verdict, with its numbers",
        "Effect, interval and p belong to the comparison that decides. Accuracy is a share (0.01 is one percentage "
        "point); cost is in gradient passes. p is two-sided; a dash: too few blocks to test. “each study”: what all "
        "of the studies behind a verdict say by themselves, where they agree. “Keeps to”: the rate "
        "up to which accuracy is kept. The last verdicts: the same test at equal MACs, equal parameters, by the worst "
        "class, and with Holm's correction over all comparisons of all criteria; empty where a claim has no such test."
        + (f" {left_out} rows that repeat others (a dataset or a network with the same studies) are in the file alone."
           if left_out else ""),
        frame, {
            "claim": ("claim", str), "criterion": ("criterion", str), "scope": ("about", str), "place": ("which", str),
            "verdict": ("verdict", str), "alike": ("each study", str), "against": ("against / at", str),
            "effect": ("effect", plain),
            "low": ("from", plain), "high": ("to", plain), "rank_biserial": ("rank-biserial", plain),
            "p": ("p", p_value), "n": ("n", plain), "blocks": ("blocks", str), "studies": ("studies", plain),
            "keeps_to": ("keeps to", percent), "verdict_macs": ("equal MACs", str),
            "verdict_params": ("equal parameters", str), "verdict_worst_class": ("worst class", str),
            "verdict_holm": ("Holm", str), "test": ("test", str), "unit": ("unit", str), "source": ("from", str),
        }, "statistics/verdicts.csv", lambda row: {"id": verdict_id(row)},
    )  # fmt: skip


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How much the rankings of two criteria agree, or those of one on other or on more images."""
    keys = ["study", "kind", "criterion", "samples_per_class", "other", "other_samples_per_class"]
    measures = ["spearman", "kendall", "spearman_in_layer", "overlap_half"]
    frame = agreement.groupby(keys)[measures].mean().join(agreement.groupby(keys).size().rename("n"))
    return build(
        "agreement-table", "Agreement of rankings",
        "Rank correlations over all filters of a network, and within layers; the last: share that the lower halves of "
        "both rankings have in common (50 % by chance). Means over n comparisons on one network each: seeds, or for "
        "“draws” pairs of draws of reference images on the first seed's network. Layer by layer: "
        "statistics/agreement_layers.csv.",
        frame.reset_index(), {
            "kind": ("between", str), "criterion": ("criterion", str), "samples_per_class": ("images per class", str),
            "other": ("and", str), "other_samples_per_class": ("images per class", str), "study": ("study", str),
            "spearman": ("Spearman", plain), "kendall": ("Kendall", plain),
            "spearman_in_layer": ("Spearman in layers", plain), "overlap_half": ("lower half in common", percent),
            "n": ("n", plain),
        }, "statistics/agreement.csv",
    )  # fmt: skip


def units_table(units: pd.DataFrame) -> Table:
    """What of each network can be removed, layer by layer, and why the rest cannot."""
    return build(
        "units-table", "What can be removed", "Every convolution and linear layer; a group's channels go together: a "
        "group that ties several layers has a row for each.", units, {
            "study": ("study", str), "layer": ("layer", str), "group": ("group", str), "kind": ("kind", str),
            "units": ("units", str), "residual": ("tied by an addition", _yes), "left_out": ("why not", str),
        }, "tables/units.csv",
    )  # fmt: skip


def variance_table(variance: pd.DataFrame) -> Table:
    """What the main measure varies by: within each study, and between them."""
    frame = variance[variance["measure"] == MAIN].copy()
    frame["study"] = frame["study"].where(frame["scope"] == "study", OVER_ALL)
    frame["varied"] = frame["varied"].replace("", "all")
    return build(
        "variance-table", "What varies",
        "Variance components of the mean accuracy over rates, as standard deviations. A seed shifts all criteria "
        "alike; paired differences within a study contain “criterion × seed” alone, over studies “criterion × study” "
        "too. Seeds of one study are never counted as studies. “varied”: what was drawn anew in a pair of "
        "networks that share all else, and its part of what varies where all of them are; parts overlap.",
        frame, {
            "study": ("study", str), "branch": ("retraining", branch_words),
            "samples_per_class": ("images per class", str), "varied": ("varied", str), "component": ("between", str),
            "sd": ("sd", percent), "share": ("share of variance", percent),
            "degrees_of_freedom": ("degrees of freedom", plain),
            "source": ("from", str),
        }, "statistics/variance.csv",
    )  # fmt: skip


def studies_table(studies: list[dict[str, Any]]) -> Table:
    """The studies as the tables show them; see content.facts."""
    frame = pd.DataFrame(studies).rename(columns={"study": "name"})  # shown also where there is only one
    return build(
        "studies-table", "Studies", "Accuracy: mean over seeds of the unpruned network.", frame, {
            "name": ("study", str), "dataset": ("dataset", str), "backbone": ("network", str),
            "units": ("removable filters", _whole), "accuracy": ("unpruned accuracy", percent),
            "test_samples": ("test images", _whole), "seeds": ("seeds", plain),
        }, "tables/curves.csv",
    )  # fmt: skip


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _whole(value: int) -> str:
    return f"{value:,}"
