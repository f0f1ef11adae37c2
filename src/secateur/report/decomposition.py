"""The page's part on layer or filter: what a criterion's numbers per layer are worth, and its choice within them."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.decomposition import CHOICES, SETTING
from secateur.report.drawing import Drawing, counted, setting
from secateur.report.plots import WIDTH
from secateur.report.style import Style
from secateur.report.table import Table, build, p_value, percent, plain, signed

COLOURS = {"where": "#3B7DBB", "which": "#E07B39"}
KNOWING = {"where": "how many to take from each layer", "which": "which filters of a layer to take"}
FILE = "statistics/decomposition.csv"


def drawings(effects: pd.DataFrame, look: Style) -> Iterator[Drawing]:
    """One figure per study and sample count, for the figures' section "decomposition".

    Args:
        found: decomposition.csv.
        look: colours of the page.
    """
    averaged = effects[effects["at"].isna()]
    for study, of_study in averaged.groupby("study"):
        for samples in tables.in_order(of_study["samples_per_class"]):
            group, n = of_study[of_study["samples_per_class"] == samples], int(of_study["n"].max())
            yield Drawing(
                "decomposition", (str(study), samples), setting(str(study), "fewshot", samples),
                "What a criterion is ahead of random filters in layers that all lose the same share, in percentage "
                "points of accuracy averaged over the pruning rates (mark), is the sum of two parts: blue, how many "
                "filters each layer loses; orange, which of them. Bars: mean; lines: exact interval over seeds (none "
                "below six).",
                bars(group, look, title=""), str(study), "", "", f"n = {counted(n, 'seed')}.",
            )  # fmt: skip


def bars(effects: pd.DataFrame, look: Style, *, title: str) -> Any:
    """Two bars per criterion, `where` and `which` with their intervals, and a mark for the lead; largest lead on top.

    Args:
        found: rows of one study and sample count of decomposition.csv, averaged over rates.

    Returns:
        A Matplotlib figure.
    """
    import matplotlib.pyplot as plt

    by_effect = {str(effect): rows.set_index("criterion") for effect, rows in effects.groupby("effect")}
    lead = by_effect["lead"]["mean"].sort_values(ascending=False, kind="stable")
    figure, axes = plt.subplots(figsize=(WIDTH, 0.4 * len(lead) + 1.3))
    axes.axvline(0, color=look.ink, linewidth=0.9)
    for effect, offset in (("where", -0.18), ("which", 0.18)):
        rows = by_effect[effect].loc[lead.index]
        heights = [place + offset for place in range(len(lead))]
        axes.barh(heights, 100 * rows["mean"], height=0.32, color=COLOURS[effect], label=effect)
        for height, row in zip(heights, tables.records(rows), strict=True):
            if row["low"] == row["low"]:  # not NaN
                axes.plot([100 * row["low"], 100 * row["high"]], [height] * 2, color=look.ink, linewidth=1.1)
    axes.plot(100 * lead, range(len(lead)), "D", color=look.ink, markersize=4, linestyle="none", label="both: the lead")
    axes.set_yticks(range(len(lead)), list(lead.index))
    axes.set(xlabel="accuracy, percentage points", ylim=(len(lead) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.set_title(title, pad=26)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=3, fontsize=9.5, labelcolor=look.ink, borderpad=0,
                handlelength=1.2)  # fmt: skip
    return figure


def table(effects: pd.DataFrame) -> Table:
    """One row per criterion and effect, averaged over rates; the largest lead first."""
    averaged = effects[effects["at"].isna()]
    lead = averaged[averaged["effect"] == "lead"].set_index(SETTING)["mean"]
    keys = pd.MultiIndex.from_frame(averaged[SETTING])
    frame = averaged.assign(lead=lead.reindex(keys).to_numpy()).sort_values(
        ["study", "samples_per_class", "lead"], ascending=[True, True, False], kind="stable"
    )
    words = ("own choice", "own numbers, random filters", "equal share, own filters", "equal share, random filters")
    return build(
        "decomposition-table", "Layer or filter: every criterion",
        "Effects in percentage points of accuracy averaged over the pruning rates, with exact intervals over seeds. "
        "“Lead”: own choice minus both at random; “where”: what the numbers per layer are worth, averaged over both "
        "orders within layers; “which”: what the order is worth, averaged over both numbers; “interaction”: what the "
        "order is worth more with the criterion's own numbers. Where and which add up to the lead. “Holm” is corrected "
        "for all criteria of the same effect and setting.",
        frame, {
            "criterion": ("criterion", str), "effect": ("effect", str), "study": ("study", str),
            "samples_per_class": ("images per class", str), "mean": ("points", signed), "low": ("from", signed),
            "high": ("to", signed), "wilcoxon_holm": ("Wilcoxon p, Holm", p_value),
            **{name: (heading, percent) for name, heading in zip(CHOICES, words, strict=True)},
            "n": ("seeds", plain), "note": ("note", str),
        }, FILE,
    )  # fmt: skip


def sentences(effects: pd.DataFrame, entries: Sequence[dict[str, Any]]) -> list[str]:
    """What the table says of each study, on its largest number of images per class: numbers and names of its rows.

    Args:
        found: decomposition.csv.
        entries: the config's criteria; of those that are the criterion `random` it is said whether they know a filter.
    """
    floors = [entry["name"] for entry in entries if entry["criterion"] == "random"]
    said = []
    averaged = effects[effects["at"].isna()]
    for study, of_study in averaged.groupby("study"):
        samples = tables.in_order(of_study["samples_per_class"])[-1]
        here = of_study[of_study["samples_per_class"] == samples]
        effect = {str(name): rows.set_index("criterion") for name, rows in here.groupby("effect")}
        best = str(effect["lead"]["mean"].idxmax())
        text = (
            f"{study}, {samples} images per class: {best} is {_points(effect['lead'].loc[best])} ahead of random "
            f"filters in layers that lose the same share, the most of all criteria. Of that, "
            f"{_points(effect['where'].loc[best])} are where (how many filters each layer loses) and "
            f"{_points(effect['which'].loc[best])} which (the filters within a layer)."
        )
        for name, words in KNOWING.items():
            most, least = str(effect[name]["mean"].idxmax()), str(effect[name]["mean"].idxmin())
            text += (
                f" Knowing {words} is worth most with {most} ({_points(effect[name].loc[most])}) and least with "
                f"{least} ({_points(effect[name].loc[least])})."
            )
        for floor in (name for name in floors if name in effect["which"].index):
            text += f" A check: {_check(floor, effect['which'].loc[floor])}"
        said.append(text)
    return said


def _check(floor: str, row: Any) -> str:
    if row["low"] != row["low"]:  # NaN
        return f"{floor} should know no filter; {row['n']} seeds are too few for an interval."
    covers = "covers 0, as it should" if row["low"] <= 0 <= row["high"] else "should cover 0 and does not"
    return f"{floor} knows no filter, and the interval of its “which” {covers} ({_points(row)})."


def _points(row: Any) -> str:
    low, high = row["low"], row["high"]
    return f"{100 * row['mean']:+z.1f} points" + (f" [{100 * low:+z.1f}, {100 * high:+z.1f}]" if low == low else "")
