"""The 2-D study against the published figures: what is reproduced, cell by cell, and the ordering, tested."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from secateur import shipped, tablefile
from secateur.analysis.paired import blocks_needed, interval, permutation_p
from secateur.analysis.reproduction import half_widths, wrong_cells
from secateur.analysis.tables import with_defaults
from secateur.errors import SecateurError
from secateur.files import replacing

PUBLISHED_CRITERIA = ("weight", "gradient", "taylor", "lrp")
PUBLISHED_REMOVED = 1000
"""Hidden neurons removed at once in the published figures."""

TRAINING_SAMPLES = {"moons": 2000, "circles": 2000, "spirals": 4000}
"""Samples in the published training sets; the noisy test sets had 500 (their accuracies are multiples of 0.2 %)."""
UNSEEN_SAMPLES = 500

ORDERING = (("lrp", "weight", 0.005), ("weight", "taylor", 0.0), ("taylor", "gradient", 0.0))
"""The published ordering LRP ≥ weight > Taylor > gradient as (better, other, margin): the first must be above the
second less the margin; "≥" allows half a percentage point."""

KEYS = ["dataset", "variant", "references", "steps"]
CELL = ["dataset", "criterion", "samples_per_class", "evaluated_on", "noise_sigma"]


def read_published(path: str | Path) -> pd.DataFrame:
    """The published figures after pruning, one row a cell: CELL, `published_mean`, `published_std`, `published_draws`.

    Means and deviations are shares in [0, 1]. `noise_sigma` of the training set is 0; "noisy-test" is called "unseen",
    as in our table.

    Raises:
        SecateurError: missing file or column.
    """
    try:
        table = pd.read_csv(shipped.find(path))
        table = table[table["stage"] == "pruned"]
        cells = table[["dataset", "criterion", "samples_per_class"]].assign(
            evaluated_on=table["evaluated_on"].replace("noisy-test", "unseen"),
            noise_sigma=table["noise_sigma"].fillna(0.0).astype(float),
            published_mean=table["accuracy_mean_percent"] / 100,
            published_std=table["accuracy_std_percent"] / 100,
            published_draws=table["repeats"].astype(int),
        )
    except (OSError, ValueError, KeyError) as error:
        raise SecateurError(f"{path}: not the published figures ({error!r}). Restore it with `git checkout`.") from None
    return cells.sort_values(CELL).reset_index(drop=True)


def read_differences(path: str | Path) -> dict[str, str]:
    """What is known to differ from the published study, short name → sentence (report/published/toy_differences.yaml).

    Raises:
        SecateurError: unreadable file.
    """
    try:
        return {str(name): str(text) for name, text in yaml.safe_load(Path(path).read_text(encoding="utf-8")).items()}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise SecateurError(f"{path}: not a list of differences ({error!r}). Restore it with `git checkout`.") from None


def read_measured(path: str | Path) -> pd.DataFrame:
    """Our table of the 2-D study, as the toy branch writes it, with `samples_per_class` as numbers.

    `steps` is "fitted" in tables of runs that knew no other.

    Raises:
        SecateurError: unreadable file or missing column.
    """
    needed = [*KEYS, *CELL[1:], "model_seed", "repetition", "rate", "removed", "accuracy", "accuracy_unpruned"]
    try:
        table = with_defaults(tablefile.read(path), "toy")[needed].copy()
        table["samples_per_class"] = table["samples_per_class"].astype(int)
    except (ValueError, KeyError) as error:
        raise SecateurError(f"{path}: not a table of the 2-D study ({error}). Remove it and run again.") from None
    return table


def summarise(measured: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of every cell of the main table, over model seeds and repetitions.

    Returns:
        KEYS, CELL, `ours_mean`, `ours_std` (over all networks and draws), `networks`, `draws` (of each network),
        `unpruned_mean`, `network_std` (of the networks' means; NaN for one network), `draw_std` (of the draws' means).
        Standard deviations are those of samples; the first and the last are 0 where there is one value.
    """
    main = measured[measured["removed"] == PUBLISHED_REMOVED]
    cell = [*KEYS, *CELL[1:]]
    each = main.groupby([*cell, "model_seed"])["accuracy"].mean().groupby(cell).std(ddof=1).rename("network_std")
    of_draws = main.groupby([*cell, "repetition"])["accuracy"].mean().groupby(cell).std(ddof=1).fillna(0.0)
    of_draws = of_draws.rename("draw_std")
    summary = main.groupby(cell).agg(
        ours_mean=("accuracy", "mean"),
        ours_std=("accuracy", lambda values: values.std(ddof=1) if len(values) > 1 else 0.0),
        networks=("model_seed", "nunique"),
        draws=("repetition", "nunique"),
        unpruned_mean=("accuracy_unpruned", "mean"),
    )
    return summary.join([each, of_draws]).reset_index()


def compare(published: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Published beside ours: one row a published cell, variant, kind of references and of steps, in a fixed order.

    Returns:
        KEYS, CELL, `published_mean`, `published_std`, `published_draws`, what `summarise` gives, `points` (evaluated
        on), `difference` (ours − published), `half_width` (of the prediction interval, see `reproduction`),
        `detectable` (difference that is found in 80 % of the cases), `verdict` ("reproduced", "not reproduced", "too
        few networks", or "not measured" where the run left the cell out), `note` (names in toy_differences.yaml).
    """
    ours = summarise(measured)
    kinds = ours[["variant", "references", "steps"]].drop_duplicates()
    table = published[published["dataset"].isin(ours["dataset"].unique())].merge(kinds, how="cross")
    table = table.merge(ours, how="left", on=[*KEYS, *CELL[1:]])
    table["difference"] = table["ours_mean"] - table["published_mean"]
    table["points"] = np.where(table["evaluated_on"] == "train", table["dataset"].map(TRAINING_SAMPLES), UNSEEN_SAMPLES)
    table = table.join(half_widths(table))
    within = table["difference"].abs() <= table["half_width"]
    table["verdict"] = np.select(
        [table["ours_mean"].isna(), table["half_width"].isna(), within],
        ["not measured", "too few networks", "reproduced"], "not reproduced",
    )  # fmt: skip
    table["note"] = [_note(row) for row in table.to_dict("records")]
    order = [*KEYS, *CELL[1:]]
    return table[
        [*order, "published_mean", "published_std", "published_draws", "ours_mean", "ours_std", "networks", "draws",
         "unpruned_mean", "network_std", "draw_std", "points", "difference", "half_width", "detectable", "verdict",
         "note"]
    ].sort_values(order, ignore_index=True)  # fmt: skip


def count_cells(comparison: pd.DataFrame) -> pd.DataFrame:
    """How many training-set cells are reproduced, and how much that says: a row a variant, references, steps and set.

    Returns:
        `references`, `variant`, `steps`, `dataset` (or "all"), `cells` (published), `tested`, `reproduced`,
        `mean_absolute_difference`, `detectable` (median); the negative control of `reproduction.wrong_cells`:
        `wrong_pairs`, `wrong_passed`, and `distinct_pairs`, `distinct_passed` among the pairs whose published means
        differ by more than their own draws.
    """
    train = comparison[comparison["evaluated_on"] == "train"]
    tested = train[train["verdict"].isin(["reproduced", "not reproduced"])]
    wrong = wrong_cells(tested)
    groups = ["references", "variant", "steps", "dataset"]
    every, tested, wrong = (pd.concat([table, table.assign(dataset="all")]) for table in (train, tested, wrong))
    distinct = wrong[~wrong["alike"].astype(bool)]
    counts = {
        "cells": every.groupby(groups).size(),
        "tested": tested.groupby(groups).size(),
        "reproduced": tested["verdict"].eq("reproduced").groupby([tested[name] for name in groups]).sum(),
        "mean_absolute_difference": tested["difference"].abs().groupby([tested[name] for name in groups]).mean(),
        "detectable": tested.groupby(groups)["detectable"].median(),
        "wrong_pairs": wrong.groupby(groups).size(),
        "wrong_passed": wrong.groupby(groups)["passes"].sum(),
        "distinct_pairs": distinct.groupby(groups).size(),
        "distinct_passed": distinct.groupby(groups)["passes"].sum(),
    }
    table = pd.DataFrame(counts)
    whole = [name for name in counts if name not in ("mean_absolute_difference", "detectable")]
    table[whole] = table[whole].fillna(0).astype(int)
    return table.reset_index()


def ordering(measured: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Tests of LRP ≥ weight > Taylor > gradient on the training set, for each set and variant.

    A block is a network (model seed); its value is the mean accuracy over the repetitions of one number of samples, or
    over all numbers of samples ("all"). Each neighbouring pair is tested one-sidedly by the exact permutation test of
    signs; "≥" is a test of non-inferiority with the margin of ORDERING. The ordering as a whole holds if every pair
    does: that needs no correction for the number of pairs, since all must be significant. It is contradicted if a pair
    is significantly the other way round, and undecided otherwise.

    Returns:
        KEYS, `samples_per_class` (text), `better`, `other`, `margin`, `networks`, `difference` (mean), `low`, `high`
        (bootstrap interval of the mean at level 1 − alpha; NaN for fewer than three networks), `p` (that the pair
        holds), `p_reverse`, `pair` and `ordering` ("holds", "contradicted", "undecided").
    """
    main = measured[(measured["removed"] == PUBLISHED_REMOVED) & (measured["evaluated_on"] == "train")]
    missing = [name for name in PUBLISHED_CRITERIA if name not in set(main["criterion"])]
    if missing or main.empty:
        return pd.DataFrame(columns=ORDERING_COLUMNS)
    groups = [*KEYS, "samples_per_class", "model_seed"]
    values = main.groupby([*groups, "criterion"])["accuracy"].mean().unstack("criterion").reset_index()
    over_all = values.groupby([*KEYS, "model_seed"])[list(PUBLISHED_CRITERIA)].mean().reset_index()
    over_all["samples_per_class"] = "all"
    rows: list[dict[str, Any]] = []
    for part in (over_all, values):
        for key, block in part.groupby([*KEYS, "samples_per_class"]):
            named = dict(zip([*KEYS, "samples_per_class"], (*key[:-1], str(key[-1])), strict=True))
            pairs = [_pair(block, better, other, margin, alpha) for better, other, margin in ORDERING]
            outcomes = {pair["pair"] for pair in pairs}
            whole = "holds" if outcomes == {"holds"} else "contradicted" if "contradicted" in outcomes else "undecided"
            rows += [named | pair | {"ordering": whole} for pair in pairs]
    return pd.DataFrame(rows, columns=ORDERING_COLUMNS)


ORDERING_COLUMNS = [
    *KEYS, "samples_per_class", "better", "other", "margin", "networks", "difference", "low", "high", "p", "p_reverse",
    "pair", "ordering",
]  # fmt: skip


def networks_needed(alpha: float = 0.05) -> int:
    """Fewest networks (model seeds) with which the ordering can be decided at level `alpha`."""
    return blocks_needed(alpha, "greater")


def average_stability(stability: pd.DataFrame) -> pd.DataFrame:
    """Stability averaged over networks: KEYS, samples_per_class, criterion, other, measure, k, mean, std, networks."""
    groups = stability.groupby([*KEYS, "samples_per_class", "criterion", "other", "measure", "k"])
    return groups.agg(mean=("mean", "mean"), std=("std", "mean"), networks=("model_seed", "nunique")).reset_index()


def run(
    tables_dir: str | Path, output_dir: str | Path, published: str | Path = "report/published/toy_published.csv"
) -> None:
    """Write toy_published.csv, toy_cells.csv, toy_ordering.csv and toy_stability.csv to `output_dir`.

    Args:
        tables_dir: folder with toy.parquet and, where the run has it, toy_stability.parquet.
        output_dir: gets the four tables (`compare`, `count_cells`, `ordering`, `average_stability`).
        published: the published figures.

    Raises:
        SecateurError: an unreadable table.
    """
    measured = read_measured(Path(tables_dir) / "toy.parquet")
    comparison = compare(read_published(published), measured)
    tables = {
        "toy_published": comparison,
        "toy_cells": count_cells(comparison),
        "toy_ordering": ordering(measured),
    }
    stability = Path(tables_dir) / "toy_stability.parquet"
    if stability.exists():
        try:
            agreement = with_defaults(tablefile.read(stability), "toy_stability")
            tables["toy_stability"] = average_stability(agreement)
        except (ValueError, KeyError) as error:
            raise SecateurError(f"{stability}: not a stability table ({error}). Remove it and run again.") from None
    for name, table in tables.items():
        with replacing(Path(output_dir) / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)


def _pair(block: pd.DataFrame, better: str, other: str, margin: float, alpha: float) -> dict[str, Any]:
    differences = (block[better] - block[other]).to_numpy()
    p = permutation_p(differences + margin, "greater")
    # The other way round: "≥" is contradicted when the first is worse by more than the margin, ">" when it is worse.
    p_reverse = permutation_p(differences + margin, "less")
    low, high = interval(differences, 1 - alpha, seed=0)
    pair = "holds" if p <= alpha else "contradicted" if p_reverse <= alpha else "undecided"
    return {
        "better": better, "other": other, "margin": margin, "networks": len(differences),
        "difference": float(differences.mean()), "low": low, "high": high, "p": p, "p_reverse": p_reverse, "pair": pair,
    }  # fmt: skip


def _note(row: dict[Any, Any]) -> str:
    """Names of the known differences that matter for a cell in particular."""
    names = []
    if row["variant"] == "text":
        names.append("third ReLU")
    elif row["criterion"] == "lrp":
        names.append("signed inputs")
    if row["references"] == "training":
        names.append("evenly spaced references")
    elif row["samples_per_class"] == 1 and row["criterion"] != "weight":
        names.append("degenerate single samples")
    if row["criterion"] == "weight":
        names.append("one network")
    return "; ".join(names)
