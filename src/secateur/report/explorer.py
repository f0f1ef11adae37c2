"""The interactive curves: one Vega-Lite chart, made by Altair, whose parameters report/explorer.js sets."""

import json
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.repair import NONE
from secateur.report.drawing import AXES, BRANCHES
from secateur.report.plots import over_grid, over_rates
from secateur.report.style import Style

POINTS = 21
"""Points of the common grid over removed MACs and params."""
MEASURES = {"a": ("accuracy", "all classes"), "w": ("worst_class_accuracy", "the worst class")}
"""Prefix of a row's fields → (column of the curves table, words for readers)."""
NAMED = ("s", "b", "n", "r", "c", "k")
"""Fields of a row that are names."""


def rows(curves: pd.DataFrame) -> list[dict[str, Any]]:
    """What the chart shows, a row a point: means over seeds, with the smallest and the largest seed.

    Args:
        curves: the table `curves`, of networks as they were cut and repaired by any remedy.

    Returns:
        Short keys, since there are thousands: `s b n r c` study, branch, samples per class, remedy and criterion, `k`
        the kind of axis ("rate", "macs", "params"), `x` the removed share, `a al ah` mean, smallest and largest
        accuracy of the seeds, `w wl wh` the same of the worst class, `m` the number of seeds. Shares in [0, 1], four
        digits.
    """
    records = []
    keys = ["study", "branch", "samples_per_class", "remedy"]
    for (study, branch, samples, remedy), group in curves.groupby(keys, sort=False):
        if not (group["rate"] > 0).any():
            continue
        for kind, (column, _) in AXES.items():
            pieces = []
            for prefix, (measure, _) in MEASURES.items():
                data = over_rates(group, measure) if kind == "rate" else over_grid(group, measure, column, POINTS)
                found_here = data.groupby(["criterion", "x"])[measure].agg(["mean", "min", "max", "size"])
                pieces.append(found_here.set_axis([prefix, f"{prefix}l", f"{prefix}h", "m"], axis=1))
            joined = pieces[0].join(pieces[1].drop(columns="m")).round(4).reset_index().round({"x": 4})
            joined = joined.rename(columns={"criterion": "c"}).assign(
                s=str(study), b=str(branch), n=str(samples), r=str(remedy), k=kind
            )
            records += tables.records(joined)
    return records


def chart(data: list[dict[str, Any]], look: Style) -> Any:
    """The chart of `rows`; its parameters `study branch samples remedy axis measure shown banded chance at` choose what
    is seen.

    `shown` is a list of criteria, `banded` those of them whose spread over seeds is shown; `chance` the accuracy of
    guessing (-1: not shown); `at` the place on the x-axis that is marked; what the pointer is nearest to is in the
    selection `hover`.

    Returns:
        An Altair chart, as wide as its place on the page.
    """
    import altair as alt

    first = data[0]
    starts = {"study": first["s"], "branch": first["b"], "samples": first["n"], "remedy": first["r"], "axis": "rate",
              "measure": "a", "shown": list(look.colours), "banded": [first["c"]], "chance": -1,
              "at": 0.0}  # fmt: skip
    names = list(look.colours)
    colour = alt.Color("c:N", legend=None).scale(domain=names, range=list(look.colours.values()))
    # Dashes as the static figures have them; Vega counts them in pixels.
    dashes = [[4 * part for part in look.dashes[name]] if look.dashes[name] else [1, 0] for name in names]
    dash = alt.StrokeDash("c:N", legend=None).scale(domain=names, range=dashes)
    share: Any = {"format": ".0%", "title": None}
    across = alt.X("x:Q").axis(**share, tickCount=6, grid=False).scale(nice=False, zero=True)
    up = alt.Y("y:Q").axis(**share, tickCount=5).scale(domain=[0, 1])
    base = alt.Chart()
    words = [
        alt.Tooltip("c:N", title="criterion"), alt.Tooltip("x:Q", title="removed", format=".1%"),
        alt.Tooltip("y:Q", title="mean", format=".1%"), alt.Tooltip("low:Q", title="smallest seed", format=".1%"),
        alt.Tooltip("high:Q", title="largest seed", format=".1%"), alt.Tooltip("m:Q", title="n, seeds"),
    ]  # fmt: skip
    hover = alt.selection_point(name="hover", fields=["x", "c"], nearest=True, on="pointermove", empty=False)
    marked = base.transform_filter("abs(datum.x - at) < 0.00005")
    spread = base.transform_filter("indexof(banded, datum.c) >= 0")
    guessed = base.transform_calculate(guess="chance >= 0 ? chance : null")
    layers = alt.layer(
        spread.mark_area(opacity=0.18).encode(x=across, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        guessed.mark_rule(aria=False, strokeDash=[2, 3], strokeWidth=1).encode(y=alt.Y("mean(guess):Q")),
        base.mark_line(strokeWidth=2.2).encode(x=across, y=up, color=colour, strokeDash=dash),
        marked.mark_rule(strokeWidth=1).encode(x=across, detail="x:Q"),
        marked.mark_point(filled=True, size=70, opacity=1).encode(x=across, y=up, color=colour),
        base.mark_point(size=160, opacity=0).encode(x=across, y=up, tooltip=words).add_params(hover),
        data=alt.Data(name="points"),
    )
    return (
        layers.transform_filter(
            "datum.s === study && datum.b === branch && datum.n === samples && datum.r === remedy && "
            "datum.k === axis && indexof(shown, datum.c) >= 0"
        )
        .transform_calculate(
            y="measure === 'a' ? datum.a : datum.w", low="measure === 'a' ? datum.al : datum.wl",
            high="measure === 'a' ? datum.ah : datum.wh",
        )
        .add_params(*(alt.param(name=name, value=value) for name, value in starts.items()))
        .properties(width="container", height=360, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=13, domain=False, ticks=False, labelPadding=8)
    )  # fmt: skip


def describe(curves: pd.DataFrame, look: Style, chances: dict[str, float], paper: str) -> dict[str, Any] | None:
    """All that the page needs: the chart and what its controls may choose; None where no curve has a pruned network.

    Args:
        curves: the table `curves` with all remedies; chances: study → accuracy of guessing; paper: the criterion whose
            spread is shown at first.

    Returns:
        `spec` (Vega-Lite, as a dictionary, without its data), `columns` (of `rows`: key → its values, names as places
        in `names`), `settings` (study → branch → samples → remedies, in order), `branches`, `axes` and `measures` (name
        → words for readers), `images` (study → test images behind every point), `chance` and `paper`.
    """
    data = rows(curves)
    if not data:
        return None
    settings: dict[str, dict[str, dict[str, list[str]]]] = {}
    for row in data:
        remedies = settings.setdefault(row["s"], {}).setdefault(row["b"], {}).setdefault(row["n"], [])
        if row["r"] not in remedies:
            remedies.append(row["r"])
    for branches in settings.values():
        for branch, samples in branches.items():
            branches[branch] = {
                n: sorted(samples[n], key=lambda name: (name != NONE, name)) for n in tables.in_order(samples)
            }
    return {
        "spec": json.loads(chart(data, look).to_json()),
        "settings": settings,
        "branches": {name: BRANCHES.get(name, name) for row in data for name in [row["b"]]},
        "axes": {name: words for name, (_, words) in AXES.items()},
        "measures": {name: words for name, (_, words) in MEASURES.items()},
        "images": {str(study): int(group["test_samples"].max()) for study, group in curves.groupby("study")},
        "chance": {study: share for study, share in chances.items() if study in settings},
        "paper": paper,
        **by_columns(data),
    }


def by_columns(data: list[dict[str, Any]]) -> dict[str, Any]:
    """`rows` as columns, a third of the size: `names`, and `columns` in which a name is its place among them."""
    names = sorted({row[key] for row in data for key in NAMED})
    place = {name: number for number, name in enumerate(names)}
    columns = {key: [place[row[key]] if key in NAMED else row[key] for row in data] for key in data[0]}
    return {"names": names, "columns": columns}


def embedded(value: Any) -> str:
    """A value as JSON that can stand inside a <script type="application/json"> element, whatever names it holds."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ")


def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without any request (about 0.9 MB)."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
