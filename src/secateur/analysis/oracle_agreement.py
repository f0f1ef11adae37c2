"""Agreement with the oracle: does a criterion put the units in the order of what removing each alone really does?"""

from collections.abc import Sequence

import pandas as pd

KEYS = ["study", "samples_per_class", "criterion", "oracle"]
MEASURES = ["spearman", "kendall", "spearman_in_layer", "overlap_half"]
COLUMNS = [*KEYS, "seeds", "units", *MEASURES, "spearman_smallest", "spearman_largest"]


def oracle_names(criteria: Sequence[dict[str, object]]) -> list[str]:
    """Names of the config's entries that are the criterion `oracle`."""
    return [str(entry["name"]) for entry in criteria if entry.get("criterion") == "oracle"]


def agreement_with_oracle(agreement: pd.DataFrame, oracles: Sequence[str]) -> pd.DataFrame:
    """What `agreement.agreement` found for pairs with an oracle at the same sample count, as one row a criterion.

    Args:
        agreement: its table.
        oracles: names of the criteria to compare with.

    Returns:
        Columns `study samples_per_class criterion oracle seeds units`, means over seeds of `spearman kendall
        spearman_in_layer overlap_half`, and the smallest and largest Spearman correlation of any seed; best first
        within a study and sample count. No rows without an oracle.
    """
    pairs = agreement[agreement["kind"] == "criteria"]
    turned = pairs.rename(columns={"criterion": "other", "other": "criterion"})
    both = pd.concat([pairs, turned], ignore_index=True)
    with_oracle = both[both["other"].isin(oracles)].rename(columns={"other": "oracle"})
    if with_oracle.empty:
        return pd.DataFrame(columns=COLUMNS)
    grouped = with_oracle.groupby(KEYS)
    table = grouped[MEASURES].mean()
    table["seeds"], table["units"] = grouped["seed"].nunique(), grouped["units"].first()
    table["spearman_smallest"], table["spearman_largest"] = grouped["spearman"].min(), grouped["spearman"].max()
    table = table.reset_index()[COLUMNS]
    return table.sort_values(
        ["study", "samples_per_class", "oracle", "spearman", "criterion"],
        ascending=[True, True, True, False, True],
        ignore_index=True,
    )
