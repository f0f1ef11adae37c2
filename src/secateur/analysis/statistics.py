"""The stage `statistics`: from tables/ to statistics/, every file a CSV table that the report shows."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from secateur.analysis import claims as claim_files
from secateur.analysis import tables, toy
from secateur.analysis.agreement import agreement
from secateur.analysis.measures import MEASURES, measure_all, wide
from secateur.analysis.paired import compare, holm, interval, smallest_p
from secateur.analysis.power import plan
from secateur.analysis.ranks import rank
from secateur.analysis.verdicts import verdicts
from secateur.files import replacing, write_json
from secateur.seeds import derive

TESTED = ("mean_accuracy_over_rate", "mean_accuracy_over_macs", "mean_worst_class_over_rate")
"""The measures that all pairs of criteria are compared by."""
ROPE = 0.01
"""Differences of at most one percentage point count as practically equal."""
PLANNED = 0.02
"""The true difference beyond a claim's bound that power.csv plans seeds for: two percentage points."""
GROUP = ["study", "branch", "samples_per_class"]


def run(
    tables_dir: str | Path,
    output_dir: str | Path,
    config: dict[str, Any],
    claims_path: str | Path = "config/claims.yaml",
    published: str | Path = "report/published/toy_published.csv",
    rankings: Sequence[Path] = (),
) -> None:
    """Compute every statistic of a run.

    Args:
        tables_dir: folder with curves.parquet and, if made, cost.parquet.
        output_dir: gets measures.csv, intervals.csv, tests.csv, ranks.csv, verdicts.csv, power.csv
            and metrics.json.
        config: the run's config; only `run_seed` (default 0) is used: it starts the bootstrap's streams.
        claims_path: the claims to judge.
        published: published figures of the 2-D study, compared with toy.parquet where there is one (see `toy.run`).
        rankings: the run's score files; where given, agreement.csv says how much rankings agree.

    Raises:
        SecateurError: an unreadable or inconsistent table, or a claims file that is not right.
    """
    claims = claim_files.read(claims_path)
    curves = tables.read(tables_dir, "curves")
    cost = tables.optional(tables_dir, "cost")
    seed = int(config.get("run_seed", 0))
    measures = measure_all(curves)
    found = {
        "measures": measures,
        "intervals": intervals(measures, claims.alpha, seed),
        "tests": pairwise_tests(measures, claims.alpha, seed),
        "ranks": friedman_ranks(measures, claims.alpha),
        "verdicts": verdicts(measures, cost, claims),
        "power": plan(measures, claims, PLANNED),
    }
    if rankings:
        found["agreement"] = agreement(rankings)
    output = Path(output_dir)
    for name, table in found.items():
        write_csv(output / f"{name}.csv", table)
    if (Path(tables_dir) / "toy.parquet").exists():
        toy.run(tables_dir, output_dir, published)
    write_json(output / "metrics.json", metrics(found["intervals"], found["verdicts"]))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with the shortest decimals that give back the same numbers, whole or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def intervals(measures: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """Mean over seeds of every measure, with its spread and its BCa interval.

    Returns:
        Columns `study branch samples_per_class criterion measure at n mean bca_low bca_high sd smallest largest
        unit better`.
    """
    rows = []
    keys = [*GROUP, "criterion", "measure", "at"]
    for key, group in measures.groupby(keys, dropna=False, sort=True):
        values = group["value"].to_numpy(dtype=float)
        low, high = interval(values, 1 - alpha, derive(seed, "interval", *map(str, key)))
        better, unit, _ = MEASURES[str(key[4])]
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"n": values.size, "mean": values.mean(), "bca_low": low, "bca_high": high,
               "sd": values.std(ddof=1) if values.size > 1 else float("nan"),
               "smallest": values.min(), "largest": values.max(), "unit": unit, "better": better}
        )  # fmt: skip
    columns = [*keys, "n", "mean", "bca_low", "bca_high", "sd", "smallest", "largest", "unit", "better"]
    return pd.DataFrame(rows, columns=columns)


def pairwise_tests(measures: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """Every pair of criteria by every measure of `TESTED`: within each study (blocks are its seeds), and over the
    studies (blocks are studies, each with its mean over seeds), per branch and sample count.

    Returns:
        One row a pair: `scope study branch samples_per_class measure criterion other`, what `paired.compare` gives, and
        `wilcoxon_holm permutation_holm`, corrected over the pairs of the same group. Where even the smallest possible
        p-value cannot reach alpha after the correction, the corrected ones are NaN and `note` says so.
    """
    rows: list[dict[str, Any]] = []
    for key, table in _block_tables(measures):
        group: list[dict[str, Any]] = []
        for criterion, other in combinations(table.columns, 2):
            differences = (table[criterion] - table[other]).dropna().to_numpy(dtype=float)
            if differences.size:
                stream = derive(seed, "pair", *key.values(), criterion, other)
                found = compare(differences, alpha=alpha, rope=ROPE, seed=stream)
                group.append(key | {"criterion": criterion, "other": other} | found)
        blocks = max((row["n_differ"] for row in group), default=0)
        reachable = len(group) * smallest_p(blocks) <= alpha
        for test in ("wilcoxon", "permutation"):
            for row, p in zip(group, holm([row[f"{test}_p"] for row in group]), strict=True):
                row[f"{test}_holm"] = p if reachable else float("nan")
        if not reachable:
            for row in group:
                row["note"] = (
                    row["note"] or f"too few blocks for {len(group)} pairs to reach {alpha:g} after correction"
                )
        rows.extend(group)
    columns = ["scope", *GROUP, "measure", "criterion", "other", "n", "n_differ", "mean_difference", "low", "high",
               "bca_low", "bca_high",
               "rank_biserial", "wilcoxon_p", "wilcoxon_holm", "permutation_p", "permutation_holm", "p_worse",
               "p_equal", "p_better", "note"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def friedman_ranks(measures: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Average ranks of the criteria in the same groups as `pairwise_tests`.

    Returns:
        One row a criterion: `scope study branch samples_per_class measure criterion average_rank blocks criteria
        friedman_chi_square iman_davenport_f p critical_difference note`.
    """
    rows = []
    for key, table in _block_tables(measures):
        found = rank(table, alpha, derive(0, "friedman", *key.values()))
        rows += [
            key | {"criterion": criterion, "average_rank": value, "blocks": found.blocks, "criteria": table.shape[1],
                   "friedman_chi_square": found.chi_square, "iman_davenport_f": found.f, "p": found.p,
                   "critical_difference": found.critical_difference, "note": found.note}
            for criterion, value in found.average.items()
        ]  # fmt: skip
    columns = ["scope", *GROUP, "measure", "criterion", "average_rank", "blocks", "criteria", "friedman_chi_square",
               "iman_davenport_f", "p", "critical_difference", "note"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _block_tables(measures: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Tables blocks × criteria, more is better: one per study, then, with two studies or more, one over studies."""
    for measure in TESTED:
        table = wide(measures, measure)
        if MEASURES[measure][0] == "lower":
            table = -table
        levels = tables.in_order(table.index.get_level_values("samples_per_class"))
        for branch in sorted(set(table.index.get_level_values("branch"))):
            for samples in levels:
                chosen = table[
                    (table.index.get_level_values("branch") == branch)
                    & (table.index.get_level_values("samples_per_class") == samples)
                ].dropna(axis=1, how="all")
                key = {"branch": branch, "samples_per_class": samples, "measure": measure}
                studies = chosen.groupby(level="study")
                for study, blocks in studies:
                    yield {"scope": "study", "study": study} | key, blocks.dropna(axis=1, how="all")
                if studies.ngroups > 1:
                    yield {"scope": "studies", "study": ""} | key, studies.mean()


def metrics(intervals: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, Any]:
    """The few numbers to compare between commits: overall verdicts and mean accuracies, nested by name."""
    found: dict[str, Any] = {"verdict": {}, "mean_accuracy_over_rate": {}}
    for row in verdicts[verdicts["scope"] == "overall"].to_dict("records"):
        found["verdict"].setdefault(row["claim"], {})[row["criterion"]] = row["verdict"]
    chosen = intervals[intervals["measure"] == "mean_accuracy_over_rate"]
    for row in chosen.to_dict("records"):
        where = found["mean_accuracy_over_rate"]
        for step in ("study", "branch", "samples_per_class"):
            where = where.setdefault(row[step], {})
        where[row["criterion"]] = round(row["mean"], 6)
    return found
