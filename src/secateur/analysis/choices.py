"""Ablations: what one choice within a criterion changes, each variant against the criterion as it is."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from secateur.analysis.paired import compare, holm, smallest_p
from secateur.seeds import derive

COLUMNS = ["study", "branch", "samples_per_class", "criterion", "variant", "choice", "n", "mean_difference", "low",
           "high", "rank_biserial", "wilcoxon_p", "wilcoxon_holm", "p_equal", "note"]  # fmt: skip
MEASURE = "mean_accuracy_over_rate"
ROPE = 0.01
WITH_RETRAINING = ("ranking: ", "batch_norm: ")
"""How choices begin that matter only where networks are trained after pruning."""


def variants(criteria: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Variant → (the entry it varies, what it chooses otherwise), of the config's resolved entries.

    A criterion's plain entry is the one without choices of its own; where there is none, its variants stand alone.
    """
    plain = {entry["criterion"]: entry["name"] for entry in criteria if not choices_of(entry)}
    return {
        entry["name"]: (plain[entry["criterion"]], ", ".join(choices_of(entry)))
        for entry in criteria
        if choices_of(entry) and entry["criterion"] in plain
    }


def compare_choices(measures: pd.DataFrame, criteria: list[dict[str, Any]], alpha: float, seed: int) -> pd.DataFrame:
    """Every variant beside its plain criterion, by the mean accuracy over rates; blocks are the seeds of one study.

    Args:
        measures: as of `measures.measure_all`.
        criteria: the config's resolved entries.

    Returns:
        One row a variant, study, branch (where the choice can matter) and sample count: what `paired.compare` gives
        for variant − criterion, and `wilcoxon_holm`, corrected over the variants of the same setting (NaN and a `note`
        where too few seeds).
    """
    rows: list[dict[str, Any]] = []
    chosen = measures[measures["measure"] == MEASURE]
    for key, group in chosen.groupby(["study", "branch", "samples_per_class"], sort=True):
        table = group.pivot_table(index="seed", columns="criterion", values="value")
        setting: list[dict[str, Any]] = []
        for variant, (criterion, choice) in variants(criteria).items():
            if key[1] == "fewshot" and all(part.startswith(WITH_RETRAINING) for part in choice.split(", ")):
                continue  # nothing is ranked again or trained there: no choice, and no test to correct for
            if {variant, criterion} <= set(table.columns):
                differences = (table[variant] - table[criterion]).dropna().to_numpy(dtype=float)
                compared = compare(
                    differences, alpha=alpha, rope=ROPE, seed=derive(seed, "choice", *map(str, key), variant)
                )
                names = dict(zip(COLUMNS[:3], key, strict=True))
                setting.append(names | {"criterion": criterion, "variant": variant, "choice": choice} | compared)
        blocks = max((row["n_differ"] for row in setting), default=0)
        reachable = len(setting) * smallest_p(blocks) <= alpha
        for row, p in zip(setting, holm([row["wilcoxon_p"] for row in setting]), strict=True):
            row["wilcoxon_holm"] = p if reachable else float("nan")
            if not reachable and not row["note"]:
                row["note"] = f"too few seeds for {len(setting)} choices to reach {alpha:g} after correction"
        rows += setting
    return pd.DataFrame(rows, columns=COLUMNS)


def choices_of(entry: Mapping[str, Any]) -> list[str]:
    """What an entry of the config's criteria says beside its name and criterion, in words."""
    choices = [f"{key}: {entry[key]}" for key in ("normalisation", "combine", "batch_norm") if key in entry]
    choices += [f"{key}: {_words(value)}" for key, value in entry.get("options", {}).items()]
    if entry.get("ranking") == "once":
        choices.append("ranking: once")
    if "tune" in entry:
        choices.append("options: tuned on extra images")
    return choices


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_words(item)}" for key, item in value.items()) + "}"
    return str(value)
