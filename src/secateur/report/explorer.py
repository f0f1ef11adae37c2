"""The interactive curves: one Vega-Lite chart, made by Altair, whose parameters report/explorer.js sets."""

import json
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import AXES, BRANCHES
from secateur.report.plots import over_grid
from secateur.report.style import Style

POINTS = 21
"""Points of the common grid over removed MACs and params."""
MEASURES = {"a": ("accuracy", "all classes"), "w": ("worst_class_accuracy", "the worst class")}
"""Prefix of a row's fields → (column of the curves table, words for readers)."""


def rows(curves: pd.DataFrame) -> list[dict[str, Any]]:
    """What the chart shows, a row a point: means over seeds, with the smallest and the largest seed.

    Args:
        curves: the table `curves`.

    Returns:
        Short keys, since there are thousands: `s b n c` study, branch, samples per class and criterion, `k` the kind of
        axis ("rate", "macs", "params"), `x` the removed share, `a al ah` mean, smallest and largest accuracy of the
        seeds, `w wl wh` the same of the worst class, `m` the number of seeds. Shares in [0, 1], four digits.
    """
    found = []
    keys = ["study", "branch", "samples_per_class"]
    for (study, branch, samples), group in curves.groupby(keys, sort=False):
        if not (group["rate"] > 0).any():
            continue
        for kind, (column, _) in AXES.items():
            pieces = []
            for prefix, (measure, _) in MEASURES.items():
                data = group.assign(x=group["rate"]) if kind == "rate" else over_grid(group, measure, column, POINTS)
                found_here = data.groupby(["criterion", "x"])[measure].agg(["mean", "min", "max", "size"])
                pieces.append(found_here.set_axis([prefix, f"{prefix}l", f"{prefix}h", "m"], axis=1))
            joined = pieces[0].join(pieces[1].drop(columns="m")).round(4).reset_index().round({"x": 4})
            joined = joined.rename(columns={"criterion": "c"}).assign(
                s=str(study), b=str(branch), n=str(samples), k=kind
            )
            found += tables.records(joined)
    return found


def chart(data: list[dict[str, Any]], look: Style) -> Any:
    """The chart of `rows`; its parameters `study branch samples axis measure shown at` choose what is seen.

    `shown` is a list of criteria; `at` the place on the x-axis that is marked; the pointer's place is in the selection
    `hover`.

    Returns:
        An Altair chart, as wide as its place on the page.
    """
    import altair as alt

    first = data[0]
    starts = {"study": first["s"], "branch": first["b"], "samples": first["n"], "axis": "rate", "measure": "a",
              "shown": list(look.colours), "at": 0.0}  # fmt: skip
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
    hover = alt.selection_point(name="hover", fields=["x"], nearest=True, on="pointermove", empty=False)
    marked = base.transform_filter("abs(datum.x - at) < 0.00005")
    layers = alt.layer(
        base.mark_area(opacity=0.13).encode(x=across, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2.2).encode(x=across, y=up, color=colour, strokeDash=dash),
        marked.mark_rule(strokeWidth=1).encode(x=across, detail="x:Q"),
        marked.mark_point(filled=True, size=70, opacity=1).encode(x=across, y=up, color=colour),
        base.mark_point(size=160, opacity=0).encode(x=across, y=up, tooltip=words).add_params(hover),
        data=alt.Data(values=data),
    )
    return (
        layers.transform_filter(
            "datum.s === study && datum.b === branch && datum.n === samples && datum.k === axis && "
            "indexof(shown, datum.c) >= 0"
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


def describe(curves: pd.DataFrame, look: Style) -> dict[str, Any] | None:
    """All that the page needs: the chart and what its controls may choose; None where no curve has a pruned network.

    Returns:
        `spec` (Vega-Lite, as a dictionary), `settings` (study → branch → numbers of samples, in order), `branches`,
        `axes` and `measures` (name → words for readers), `images` (study → test images behind every point).
    """
    data = rows(curves)
    if not data:
        return None
    settings: dict[str, dict[str, list[str]]] = {}
    for row in data:
        samples = settings.setdefault(row["s"], {}).setdefault(row["b"], [])
        if row["n"] not in samples:
            samples.append(row["n"])
    for branches in settings.values():
        for branch, samples in branches.items():
            branches[branch] = tables.in_order(pd.Series(samples))
    return {
        "spec": json.loads(chart(data, look).to_json()),
        "settings": settings,
        "branches": {name: BRANCHES.get(name, name) for row in data for name in [row["b"]]},
        "axes": {name: words for name, (_, words) in AXES.items()},
        "measures": {name: words for name, (_, words) in MEASURES.items()},
        "images": {str(study): int(group["test_samples"].max()) for study, group in curves.groupby("study")},
    }


def embedded(value: Any) -> str:
    """A value as JSON that can stand inside a <script type="application/json"> element, whatever names it holds."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ")


def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without any request (about 0.9 MB)."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
