"""The page's tables of time: what a ranking costs, what removal gains, how long the run took."""

import math

import pandas as pd

from secateur.analysis import tables
from secateur.report.table import Table, build, in_bytes, percent, plain

NOISE = "noise"


def cost_table(cost: pd.DataFrame) -> Table:
    """Median time and memory of each criterion."""
    frame = (
        cost.groupby(["study", "criterion", "device"])
        .agg(ratio=("ratio_to_gradient", "median"), seconds=("seconds", "median"), peak=("peak_bytes", "median"),
             gradient=("gradient_peak_bytes", "median"), repeats=("repeat", "nunique"))
        .reset_index().sort_values(["study", "ratio"])
    )  # fmt: skip
    return build(
        "cost-table", "Cost of ranking once", "Medians over repeats, each timed beside a gradient pass.", frame, {
            "criterion": ("criterion", str), "study": ("study", str), "ratio": ("gradient passes", plain),
            "seconds": ("seconds", plain), "peak": ("peak memory", in_bytes), "gradient": ("… of a gradient", in_bytes),
            "repeats": ("repeats", plain), "device": ("device", str),
        }, "tables/cost.csv",
    )  # fmt: skip


def gains(latency: pd.DataFrame) -> pd.DataFrame:
    """The pruned networks' rows of the table `latency` with how sure their gain is.

    Returns:
        With the columns `mac_ratio`; `faster_low` and `faster_high`: the least and the most that the middle halves of
        both networks' passes allow the speed-up to be; `sure`: "faster" or "slower" where that leaves 1 out, else
        "noise".
    """
    whole = latency[latency["rate"] == 0].set_index(["study", "criterion", "batch"])
    frame = latency[latency["rate"] > 0].copy()
    keys = pd.MultiIndex.from_frame(frame[["study", "criterion", "batch"]])
    before = whole[["seconds_lower", "seconds_upper"]].reindex(keys).to_numpy(dtype=float)
    frame["faster_low"] = before[:, 0] / frame["seconds_upper"].to_numpy(dtype=float)
    frame["faster_high"] = before[:, 1] / frame["seconds_lower"].to_numpy(dtype=float)
    frame["sure"] = NOISE
    frame.loc[frame["faster_low"] > 1, "sure"] = "faster"
    frame.loc[frame["faster_high"] < 1, "sure"] = "slower"
    return frame.assign(mac_ratio=1 / frame["macs_share"])


def gain_sentences(latency: pd.DataFrame) -> list[str]:
    """Per study and batch size: how many timed networks are surely faster, and the widest range of one's speed-up."""
    sentences = []
    for (study, batch), rows in gains(latency).groupby(["study", "batch"]):
        best = tables.records(rows.sort_values("speed_up", ascending=False, kind="stable"))[0]
        counts = rows["sure"].value_counts()
        noise = int(counts.get(NOISE, 0))
        text = (
            f"{study}, batches of {batch}: of {len(rows)} pruned networks {int(counts.get('faster', 0))} are faster "
            f"than the unpruned one, {noise} cannot be told from it"
        )
        text += " (the middle halves of their timed passes overlap: noise)" if noise else ""
        text += f" and {int(counts.get('slower', 0))} are slower"
        text += (
            f"; the largest measured speed-up is {best['speed_up']:.2f} times ({best['criterion']} at a rate of "
            f"{100 * best['rate']:.0f} %, {best['faster_low']:.2f} to {best['faster_high']:.2f}), with "
            f"{best['mac_ratio']:.2f} times fewer MACs."
        )
        sentences.append(text)
    return sentences


def latency_table(latency: pd.DataFrame) -> Table:
    """How much faster and smaller the pruned networks are, measured, beside the MACs that they save."""
    frame = gains(latency).sort_values(["study", "rate", "batch", "speed_up"], ascending=[True, True, True, False])
    return build(
        "latency-table", "What removal gains", "Medians over warm runs, in one process with the unpruned network; "
        "fewer MACs are not the same gain in time. From … to: what the middle halves (quartiles) of both networks' "
        "passes allow the speed-up to be; “noise” where that includes 1. Two criteria differ in time only where their "
        "ranges do not overlap.",
        frame, {
            "criterion": ("criterion", str), "study": ("study", str), "rate": ("rate", plain), "batch": ("batch", str),
            "speed_up": ("times faster", plain), "faster_low": ("from", plain), "faster_high": ("to", plain),
            "sure": ("than unpruned", str), "mac_ratio": ("times fewer MACs", plain),
            "seconds": ("seconds", plain), "seconds_lower": ("lower quartile", plain),
            "seconds_upper": ("upper quartile", plain), "runs": ("runs", str), "disk_bytes": ("on disk", in_bytes),
            "disk_share": ("of the size before", percent), "device": ("device", str),
        }, "tables/latency.csv",
    )  # fmt: skip


def times_table(rules: dict[str, dict[str, float]]) -> Table:
    """How many jobs each rule of the workflow had and how long they took; see running.times."""
    names = ["jobs", "wall_seconds", "cpu_seconds", "peak_bytes"]
    frame = pd.DataFrame.from_dict(rules, orient="index").reindex(columns=names)
    return build(
        "times-table", "Run times", "Summed over the jobs of a rule, and the most memory that one of them held; jobs "
        "that write no times, and the one that makes this page, count as 0.",
        frame.rename_axis("rule").reset_index(), {
            "rule": ("rule", str), "jobs": ("jobs", plain), "wall_seconds": ("seconds", _seconds),
            "cpu_seconds": ("processor seconds", _seconds),
            "peak_bytes": ("most memory", in_bytes),
        }, "usage/",
    )  # fmt: skip


def _seconds(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.1f}"
