"""The workflow's picture: Snakemake's own graph of rules, with how many jobs each has and how long they took."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secateur.report.drawing import Drawing
from secateur.report.style import Style
from secateur.running import read, times

WIDTH, HEIGHT = 1.68, 0.56
"""Inches of a rule's place: across for a column of rules, down for a row."""
BOX = (1.36, 0.42)
"""Inches of a rule's box."""


def drawings(path: str | Path | None, look: Style) -> Iterator[Drawing]:
    """The picture of the run whose plan is in `path` (see running.py); none where there is no such file."""
    if path is None or not Path(path).exists():
        return
    plan = read(path)
    folder = Path(path).resolve().parents[2]  # results/<run>/workflow.json
    rules = {name: row for name, row in times(plan, folder).items() if name != "all"}
    edges = [(one, other) for one, other in plan["edges"] if other != "all"]
    yield Drawing(
        "workflow", ("rules",), "The workflow of this run",
        "Every box is a rule of the workflow, with its number of jobs and the time that they took together (several "
        "run at once); arrows lead from what makes a file to what reads it, without those that others imply.",
        graph(rules, edges, look), note=f"n = {sum(int(row['jobs']) for row in rules.values())} jobs.",
    )  # fmt: skip


def graph(rules: dict[str, dict[str, float]], edges: list[tuple[str, str]], look: Style) -> Any:
    """Rules in columns, each to the right of all that it reads from.

    Args:
        rules: name → `jobs`, `wall_seconds`.
        edges: pairs of names, from what makes a file to what reads it.
    """
    import matplotlib.pyplot as plt
    import networkx

    plan = networkx.DiGraph()
    plan.add_nodes_from(rules)
    plan.add_edges_from(edges)
    plan = networkx.transitive_reduction(plan)
    columns = [sorted(names) for names in networkx.topological_generations(plan)]
    place = {
        name: (column * WIDTH, ((len(names) - 1) / 2 - row) * HEIGHT)
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    tallest = max(len(names) for names in columns)
    figure, axes = plt.subplots(figsize=(WIDTH * len(columns), HEIGHT * tallest + 0.2))
    axes.set_axis_off()
    axes.set(xlim=(-WIDTH / 2, (len(columns) - 0.5) * WIDTH), ylim=(-HEIGHT * tallest / 2, HEIGHT * tallest / 2))
    half, tall = BOX[0] / 2, BOX[1]
    for one, other in sorted(plan.edges):
        (left, low), (right, high) = place[one], place[other]
        axes.annotate("", (right - half, high), (left + half, low), zorder=1, arrowprops={
            "arrowstyle": "-|>", "color": look.line, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0,
        })  # fmt: skip
    for name, (across, up) in place.items():
        corner = (across - half, up - tall / 2)
        axes.add_patch(plt.Rectangle(corner, *BOX, facecolor=look.card, edgecolor=look.ink, linewidth=0.9, zorder=2))
        axes.annotate(name, (across, up + 0.085), ha="center", va="center", fontsize=9, fontweight="bold")
        axes.annotate(words(rules[name]), (across, up - 0.09), ha="center", va="center", fontsize=8.5)
    return figure


def words(row: dict[str, float]) -> str:
    """ "14 jobs · 52 s": how many and how long; without a time where none was written."""
    jobs = f"{row['jobs']:.0f} job{'' if row['jobs'] == 1 else 's'}"
    return f"{jobs} · {duration(row['wall_seconds'])}" if row["wall_seconds"] else jobs


def duration(seconds: float) -> str:
    """Seconds as people say them: "0.4 s", "52 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
