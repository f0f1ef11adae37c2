"""The stage `statistics`: from tables/ to statistics/, every file a CSV table that the report shows."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import parallel
from secateur.analysis import claims as claim_files
from secateur.analysis import datasets, decomposition, remedies, sentences, tables, toy_reproduction, trace
from secateur.analysis.agreement import agreement
from secateur.analysis.choices import compare_choices, variants
from secateur.analysis.comparisons import GROUP, friedman_ranks, pairwise_tests, variances
from secateur.analysis.diagnostics import diagnose
from secateur.analysis.forms import of_run
from secateur.analysis.measures import MEASURES, UNPRUNED, limited, measure_both
from secateur.analysis.oracle_agreement import agreement_with_oracle, oracle_names
from secateur.analysis.paired import bootstrapped, exact_interval
from secateur.analysis.parts import parts
from secateur.analysis.recommended import recommend
from secateur.analysis.regret import joint_oracles, regret
from secateur.analysis.sample_size import plan
from secateur.analysis.ties import ties
from secateur.analysis.verdicts import verdicts
from secateur.files import replacing, write_json
from secateur.repair import NONE
from secateur.seeds import derive

PLANNED = 0.02
"""The true difference beyond a claim's bound that power.csv plans seeds for: two percentage points."""
Tables = dict[str, pd.DataFrame]


def run(
    tables_dir: str | Path,
    output_dir: str | Path,
    config: dict[str, Any],
    claims_path: str | Path = "config/claims.yaml",
    published: str | Path = "report/published/toy_published.csv",
    rankings: Sequence[Path] = (),
    redraws: Sequence[Path] = (),
    jobs: int = 1,
) -> None:
    """Compute every statistic of a run.

    Args:
        tables_dir: folder with curves.parquet and, if made, cost.parquet.
        output_dir: gets measures.csv, intervals.csv, tests.csv, ranks.csv, variance.csv, verdicts.csv, power.csv,
            diagnostics.csv, recommended.csv, datasets.csv and metrics.json.
        config: the run's config: `run_seed` (default 0) starts the bootstrap's streams; `criteria` says which entries
            are variants of a criterion (choices.csv) and which are the oracles (oracle.csv, regret.csv).
        claims_path: the claims to judge.
        published: published figures of the 2-D study, compared with toy.parquet where there is one (see
            `toy_reproduction.run`).
        rankings: the run's score files; where given, agreement.csv and agreement_layers.csv say how much rankings
            agree, and ties.csv how many units of each have one and the same score.
        redraws: score files of the first network on other draws of reference samples.
        jobs: how many tables are computed at once.

    Raises:
        SecateurError: an unreadable or inconsistent table, or a claims file that is not right.
    """
    entries = config.get("criteria", [])
    claims = of_run(claim_files.read(claims_path), entries)
    alpha, seed = claims.alpha, int(config.get("run_seed", 0))
    cost = tables.optional(tables_dir, "cost", numbered=True)
    curves = tables.read(tables_dir, "curves", numbered=True)
    unpruned = tables.read(tables_dir, "curves", numbered=True, control=UNPRUNED)
    written = measure_both(curves, unpruned).assign(remedy=NONE)
    remedied = remedies.measured(tables_dir)
    written = numbered(pd.concat([written, remedied], ignore_index=True) if len(remedied) else written)
    every = written[written["remedy"] == NONE].drop(columns="remedy")
    measures = every[every["control"] == ""]
    by_name = {"measures": written.drop(columns="line"), "datasets": datasets.known(config)}
    pieces: list[Callable[[], Tables]] = [
        lambda: {"tests": pairwise_tests(measures, alpha, seed)},
        lambda: {"verdicts": _verdicts(written, every, cost, claims)},
        lambda: {"power": plan(measures, claims, PLANNED)},
        lambda: {"intervals": intervals(measures, alpha, seed)},
        lambda: {"ranks": friedman_ranks(measures, alpha)},
        lambda: {"variance": _varied(tables_dir, measures)},
        lambda: {"diagnostics": diagnose(curves, unpruned, measures)},
        lambda: {"recommended": recommend(tables_dir, alpha)},
    ]
    if variants(entries):
        pieces.append(lambda: {"choices": compare_choices(measures, entries, alpha, seed)})
    if len(remedied):
        pieces.append(lambda: _remedies(written, alpha, seed))
    if "decompose" in config:
        measured = partial(decomposition.measured, tables_dir)
        pieces.append(lambda: {"decomposition": decomposition.decomposition(measured(), alpha, seed)})
    if followed := joint_oracles(entries):
        pieces.append(lambda: {"regret": regret(measures, followed, alpha)})
    if rankings:
        pieces.append(lambda: _rankings(rankings, redraws, entries))
    if (Path(tables_dir) / "toy.parquet").exists():
        pieces.append(lambda: _toy(tables_dir, output_dir, published))
    for some in parallel.results(pieces, jobs):
        by_name |= some
    output = Path(output_dir)
    for name, table in by_name.items():
        write_csv(output / f"{name}.csv", table)
    own = by_name["verdicts"]["remedy"] == NONE
    write_json(output / "metrics.json", metrics(by_name["intervals"], by_name["verdicts"][own]))


def _verdicts(
    written: pd.DataFrame, every: pd.DataFrame, cost: pd.DataFrame, claims: claim_files.Claims
) -> pd.DataFrame:
    """The verdicts without a remedy, and those with each."""
    own = verdicts(every, cost, claims).assign(remedy=NONE)
    repaired = written[written["remedy"] != NONE]
    return pd.concat([own, remedies.judged(repaired, claims)], ignore_index=True) if len(repaired) else own


def _varied(tables_dir: str | Path, measures: pd.DataFrame) -> pd.DataFrame:
    varied = variances(measures)
    drawn_anew = parts(tables.read(tables_dir, "curves", numbered=True, varied=True), varied)
    return pd.concat([varied, drawn_anew]) if len(drawn_anew) else varied


def _remedies(written: pd.DataFrame, alpha: float, seed: int) -> Tables:
    without = written[(written["branch"] == "fewshot") & (written["control"] == "")]
    return {"remedies": remedies.worth(without, alpha, seed), "remedies_order": remedies.order(without, alpha)}


def _toy(tables_dir: str | Path, output_dir: str | Path, published: str | Path) -> Tables:
    toy_reproduction.run(tables_dir, output_dir, published)
    return {}


def _rankings(rankings: Sequence[Path], redraws: Sequence[Path], entries: list[dict[str, Any]]) -> Tables:
    agree, layers = agreement(rankings, redraws)
    of_rankings = {"agreement": agree, "agreement_layers": layers, "ties": ties(rankings)}
    oracles = oracle_names(entries)
    return of_rankings | ({"oracle": agreement_with_oracle(agree, oracles)} if oracles else {})


def numbered(measures: pd.DataFrame) -> pd.DataFrame:
    """`measures` with the column `line`: where each row will stand in measures.csv."""
    return measures.assign(line=range(trace.FIRST, trace.FIRST + len(measures)))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with the shortest decimals that give back the same numbers, whole or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def intervals(measures: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """Mean over seeds of every measure, with its spread and two intervals.

    Returns:
        Columns `study branch samples_per_class criterion measure at n at_limit mean low high bca_low bca_high sd
        smallest largest unit better source`; `low` and `high` are the exact interval, `at_limit` the number of seeds
        whose value is the end of the common range: a bound, since the curve never fell below the threshold.
    """
    keys = [*GROUP, "criterion", "measure", "at"]
    groups = [(key, group) for key, group in measures.groupby(keys, dropna=False, sort=True)]
    values = [group["value"].to_numpy(dtype=float) for _, group in groups]
    rows = []
    for (key, group), of_seeds, (bca_low, bca_high) in zip(
        groups, values, bootstrapped(values, 1 - alpha, derive(seed, "interval")), strict=True
    ):
        better, unit, _ = MEASURES[str(key[4])]
        low, high = exact_interval(of_seeds, 1 - alpha)
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"n": of_seeds.size, "at_limit": limited(group), "mean": of_seeds.mean(), "low": low, "high": high,
               "bca_low": bca_low, "bca_high": bca_high,
               "sd": of_seeds.std(ddof=1) if of_seeds.size > 1 else float("nan"),
               "smallest": of_seeds.min(), "largest": of_seeds.max(), "unit": unit, "better": better,
               "source": trace.source(trace.MEASURES, group["line"])}
        )  # fmt: skip
    columns = [*keys, "n", "at_limit", "mean", "low", "high", "bca_low", "bca_high", "sd", "smallest", "largest",
               "unit", "better", "source"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def metrics(intervals: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, Any]:
    """The few numbers to compare between commits: overall verdicts and mean accuracies, nested by name."""
    values: dict[str, Any] = {"verdict": {}, "mean_accuracy_over_rate": {}}
    for verdict in tables.records(verdicts[verdicts["scope"] == "overall"]):
        values["verdict"].setdefault(verdict["claim"], {})[verdict["criterion"]] = sentences.badge(verdict)[1]
    chosen = intervals[intervals["measure"] == "mean_accuracy_over_rate"]
    for row in chosen.to_dict("records"):
        where = values["mean_accuracy_over_rate"]
        for step in ("study", "branch", "samples_per_class"):
            where = where.setdefault(row[step], {})
        where[row["criterion"]] = round(row["mean"], 6)
    return values
