"""Criteria compared, within each study and over all: every pair, average ranks, and what their scores vary by."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import overall, tables, trace
from secateur.analysis.measures import MEASURES
from secateur.analysis.paired import bootstrapped, compare, holm, smallest_p
from secateur.analysis.ranks import rank
from secateur.analysis.variance import COLUMNS, components
from secateur.seeds import derive

TESTED = (
    "mean_accuracy_over_rate", "mean_accuracy_over_params", "mean_accuracy_over_macs", "mean_worst_class_over_rate",
)  # fmt: skip
"""The measures that all pairs of criteria are compared by: at equal rate, parameters and MACs, and the worst class."""
ROPE = 0.01
"""Differences of at most one percentage point count as practically equal."""
GROUP = ["study", "branch", "samples_per_class"]


def pairwise_tests(measures: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """Every pair of criteria by every measure of `TESTED`: within each study (blocks are its seeds), and over the
    studies, each with its mean difference over seeds, per branch and sample count. Studies are blocks only where no two
    share a dataset or a network; else there is no test, and the interval is that of crossed factors.

    Returns:
        One row a pair: `scope study branch samples_per_class measure criterion other`, what `paired.compare` gives,
        the bootstrap interval `bca_low bca_high`, `wilcoxon_holm permutation_holm`, corrected over the pairs of the
        same group, and `source`. Where even the
        smallest possible p-value cannot reach alpha after the correction, the corrected ones are NaN and `note` says
        so.
    """
    rows: list[dict[str, Any]] = []
    samples: list[np.ndarray] = []
    studies = overall.Studies(overall.places(measures))
    for key, table, lines in _block_tables(measures):
        group: list[dict[str, Any]] = []
        for criterion, other in combinations(table.columns, 2):
            pair = (table[criterion] - table[other]).dropna()
            if pair.empty:
                continue
            blocks = _blocks(key["scope"], pair)
            stream = derive(seed, "pair", *key.values(), criterion, other)
            if key["scope"] == "studies" and not studies.independent:
                tested = overall.compare(blocks, studies, alpha)
            else:
                tested = compare(blocks.to_numpy(dtype=float), alpha=alpha, rope=ROPE, seed=stream)
            behind = lines.loc[pair.index, [criterion, other]].to_numpy().ravel()
            names = {"criterion": criterion, "other": other, "source": trace.source(trace.MEASURES, behind)}
            group.append(key | names | tested)
            samples.append(blocks.to_numpy(dtype=float) if tested["note"] != overall.SHARED else np.empty(0))
        most = max((row["n_differ"] for row in group), default=0)
        reachable = len(group) * smallest_p(most) <= alpha
        for test in ("wilcoxon", "permutation"):
            for row, p in zip(group, holm([row[f"{test}_p"] for row in group]), strict=True):
                row[f"{test}_holm"] = p if reachable else float("nan")
        if not reachable:
            for row in group:
                row["note"] = (
                    row["note"] or f"too few blocks for {len(group)} pairs to reach {alpha:g} after correction"
                )
        rows.extend(group)
    for row, (low, high) in zip(rows, bootstrapped(samples, 1 - alpha, derive(seed, "pairs")), strict=True):
        row |= {"bca_low": low, "bca_high": high}
    columns = ["scope", *GROUP, "measure", "criterion", "other", "n", "n_differ", "mean_difference", "low", "high",
               "bca_low", "bca_high",
               "rank_biserial", "wilcoxon_p", "wilcoxon_holm", "permutation_p", "permutation_holm", "p_worse",
               "p_equal", "p_better", "note", "source"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def friedman_ranks(measures: pd.DataFrame, alpha: float, seed: int = 0) -> pd.DataFrame:
    """Average ranks of the criteria in the same groups as `pairwise_tests`, over the blocks that all criteria have.

    Returns:
        One row a criterion: `scope study branch samples_per_class measure criterion average_rank blocks criteria
        friedman_chi_square iman_davenport_f p critical_difference note source`; the source is the whole group's.
    """
    rows = []
    studies = overall.Studies(overall.places(measures))
    for key, table, lines in _block_tables(measures):
        whole = table.dropna()
        ranking = rank(_blocks(key["scope"], whole), alpha, derive(seed, "friedman", *key.values()))
        if key["scope"] == "studies" and not studies.independent:
            none = float("nan")
            ranking = replace(ranking, chi_square=none, f=none, p=none, critical_difference=none, note=overall.SHARED)
        source = trace.source(trace.MEASURES, lines.loc[whole.index].to_numpy().ravel())
        rows += [
            key | {"criterion": criterion, "average_rank": value, "blocks": ranking.blocks, "criteria": table.shape[1],
                   "friedman_chi_square": ranking.chi_square, "iman_davenport_f": ranking.f, "p": ranking.p,
                   "critical_difference": ranking.critical_difference, "note": ranking.note, "source": source}
            for criterion, value in ranking.average.items()
        ]  # fmt: skip
    columns = ["scope", *GROUP, "measure", "criterion", "average_rank", "blocks", "criteria", "friedman_chi_square",
               "iman_davenport_f", "p", "critical_difference", "note", "source"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def variances(measures: pd.DataFrame) -> pd.DataFrame:
    """Variance components (see `variance`) in the same groups as `pairwise_tests`: within each study and over all.

    Seeds that lack a criterion are left out, and over studies every study counts with the same number of seeds.

    Returns:
        One row a component: `scope study branch samples_per_class measure`, `variance.COLUMNS` (`varied` is ""),
        `source`.
    """
    rows = []
    for key, table, lines in _block_tables(measures):
        whole = table.dropna()
        seeds = int(whole.groupby(level="study").size().min()) if len(whole) else 0
        if seeds < 2 or table.shape[1] < 2:
            continue
        used = whole.groupby(level="study").head(seeds)
        source = trace.source(trace.MEASURES, lines.loc[used.index].to_numpy().ravel())
        values = used.to_numpy(dtype=float).reshape(-1, seeds, table.shape[1])
        rows += [key | component | {"source": source} for component in components(values)]
    return pd.DataFrame(rows, columns=["scope", *GROUP, "measure", *COLUMNS, "source"])


def _block_tables(measures: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    """What is tested: key, values (more is better) and their lines in measures.csv, both (study, seed) × criteria.

    For each measure, branch and sample count: a table for each study, then, with two or more, one of all.
    """
    for measure in TESTED:
        sign = 1.0 if MEASURES[measure][0] == "higher" else -1.0
        chosen = measures[measures["measure"] == measure]
        for branch in sorted(set(chosen["branch"])):
            of_branch = chosen[chosen["branch"] == branch]
            for samples in tables.in_order(of_branch["samples_per_class"]):
                of_samples = of_branch[of_branch["samples_per_class"] == samples]
                key = {"branch": branch, "samples_per_class": samples, "measure": measure}
                groups = [({"scope": "study", "study": study}, group) for study, group in of_samples.groupby("study")]
                if len(groups) > 1:
                    groups.append(({"scope": "studies", "study": ""}, of_samples))
                for where, group in groups:
                    values, lines = (
                        group.pivot(index=["study", "seed"], columns="criterion", values=column)
                        for column in ("value", "line")
                    )
                    yield where | key, sign * values, lines


def _blocks(scope: str, table: Any) -> Any:
    """Blocks from rows (study, seed): the rows themselves within a study, their means over seeds over studies."""
    return table if scope == "study" else table.groupby(level="study").mean()
