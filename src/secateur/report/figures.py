"""The stage `figures`: every figure of the report as an SVG file, and its caption in captions.json."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from secateur import parallel
from secateur.analysis import claims as claim_files
from secateur.analysis import tables, toy_reproduction
from secateur.analysis.comparisons import ROPE
from secateur.analysis.measures import wide
from secateur.analysis.overall import SHARED
from secateur.files import replacing, write_json, write_text
from secateur.pruning import worded
from secateur.report import (
    curve_figures,
    decomposition,
    explorer,
    gallery_figures,
    grid_figures,
    matrices,
    pareto,
    plots,
    style,
    toy_accuracy,
    toy_figures,
    workflow,
)
from secateur.report.drawing import Drawing, chance, counted, read_statistics, setting
from secateur.report.numbers import told_apart, written_p

MAIN = "mean_accuracy_over_rate"
KEYS = ["scope", "study", "branch", "samples_per_class"]
EXPLORER = "explorer.json"
PROFILE_RATE = 0.5
"""The per-layer picture shows the measured rate nearest to this one."""


class Others(NamedTuple):
    """What is drawn of a run beside its tables and statistics, each where it is there."""

    toy: str | Path | None = None
    """The toy branch's folder; a `<dataset>.npz` there is drawn as decision boundaries."""
    gallery: str | Path | None = None
    """The gallery's folder; a `<study>.npz` there is drawn as relevance maps and mistakes."""
    workflow: str | Path | None = None
    """The file of the run's plan, workflow.json, from which the workflow is drawn."""


NO_OTHERS = Others()


def run(
    tables_dir: str | Path,
    statistics_dir: str | Path,
    output_dir: str | Path,
    others: Others = NO_OTHERS,
    assets: str | Path = "report",
    claims_path: str | Path = "config/claims.yaml",
    jobs: int = 1,
) -> None:
    """Draw every figure that the tables allow.

    Args:
        tables_dir: folder of the tidy tables; profiles, grid, cost and toy may be absent.
        statistics_dir: what the stage `statistics` wrote.
        output_dir: gets `*.svg` and captions.json: a list, in the order of the page, of
            `{file, section, title, caption, note, study, branch, samples}`; and explorer.json, the interactive curves
            (see explorer.describe). Older *.svg files there are removed.
        others: what else of the run is drawn.
        assets: folder with style.yaml.
        claims_path: gives alpha, the criteria that effects are shown for, and the limit on cost.
        jobs: how many parts are drawn at once.

    Raises:
        SecateurError: an unreadable table, statistics file or style.
    """
    claims = claim_files.read(claims_path)
    curves, every = tables.read(tables_dir, "curves"), tables.read(tables_dir, "curves", remedy=None)
    further = {name: tables.optional(tables_dir, name) for name in ("profiles", "grid", "cost", "latency", "toy")}
    units = tables.optional(tables_dir, "units")
    names = {str(name) for table in (curves, *further.values()) for name in table["criterion"]}
    look = style.read(Path(assets) / "style.yaml", names)
    output = Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("*.svg"):
        old.unlink()
    entries: list[dict[str, str]] = []
    chances = chance(Path(statistics_dir))
    parts: list[Callable[[], Iterable[Drawing]]] = [
        lambda: curve_figures.drawings(every, chances, claims.paper, look),
        lambda: pareto.drawings(curves, further["latency"], Path(statistics_dir), chances, look),
        lambda: gallery_figures.drawings(others.gallery, look),
        lambda: _comparisons(Path(statistics_dir), claims, look),
        lambda: _decomposition(Path(statistics_dir), look),
        lambda: _profiles(further["profiles"], units, look),
        lambda: grid_figures.drawings(further["grid"], look),
        lambda: _agreement(Path(statistics_dir), look),
        lambda: _cost(further["cost"], claims, look),
        lambda: toy_accuracy.drawings(further["toy"], Path(statistics_dir), others.toy, look),
        lambda: _further_toy(Path(tables_dir), Path(statistics_dir), look),
        lambda: workflow.drawings(others.workflow, look),
    ]
    pieces: list[Callable[[], Any]] = [
        lambda: explorer.embedded(explorer.describe(every, look, chances, claims.paper)),
        *(partial(_drawn, part, look) for part in parts),
    ]
    explored, *drawn = parallel.results(pieces, jobs)
    for entry, picture in itertools.chain(*drawn):
        stem = style.slug(entry["section"], *entry["name"])
        entry["file"] = style.unused(stem, {other["file"] for other in entries})
        with replacing(output / entry["file"]) as temporary:
            temporary.write_bytes(picture)
        entries.append({key: entry[key] for key in (
            "file", "section", "title", "caption", "note", "study", "branch", "samples")})  # fmt: skip
    write_text(output / EXPLORER, explored)
    write_json(output / "captions.json", entries)


def _drawn(part: Callable[[], Iterable[Drawing]], look: style.Style) -> list[tuple[dict[str, Any], bytes]]:
    """What captions.json says of each picture of one part of the page, and the picture."""
    with style.theme(look, "secateur"):
        return [(one._asdict() | {"figure": None}, style.svg(one.figure)) for one in part()]


def _comparisons(folder: Path, claims: claim_files.Claims, look: style.Style) -> Iterator[Drawing]:
    measures, tests, ranks = (read_statistics(folder, name) for name in ("measures", "tests", "ranks"))
    table = wide(measures, MAIN)
    level = f"{100 * (1 - claims.alpha):g} %"
    main = tests[tests["measure"] == MAIN]
    for scope, study, branch, samples in dict.fromkeys(zip(*(main[name] for name in KEYS), strict=True)):
        group = main[(main[KEYS] == [scope, study, branch, samples]).all(axis=1)]
        noun = "seed" if scope == "study" else "study"
        where = (study or "all-studies", branch, samples)
        n = f"n = {counted(int(group['n'].max()), noun)}."
        intervals = "exact interval from the signed-rank test"
        if group["note"].eq(SHARED).all():
            intervals = "interval with datasets and networks as crossed clusters (none for one of either)"
        name = setting(study or "over all studies", branch, samples)
        whose = plots.compared(group, claims.criteria, look)[0]
        keeps = f"{whose[0]} keeps" if len(whose) == 1 else f"{' and '.join(whose)} keep"
        none = "" if group["low"].notna().any() else " No interval: too few for one."
        yield Drawing(
            "effects", where, name,
            f"How much more accuracy, averaged over all pruning rates, {keeps} than each other criterion: right of "
            f"the line is better, inside the shaded band the two are practically equal. Dots: mean difference; bars: "
            f"{level} interval.",
            plots.effects(group, claims.criteria, ROPE, look, title=""), study, branch, samples,
            f"{n} Bars: {intervals}.{none}",
        )  # fmt: skip
        same = (ranks["measure"] == MAIN) & (ranks["scope"] == scope)
        for column, value in (("study", study), ("branch", branch), ("samples_per_class", samples)):
            same &= ranks[column] == value
        rows = ranks[same]
        stars = told_apart(rows)
        yield Drawing(
            "pairs", where, name,
            "Row minus column, in percentage points of accuracy averaged over all pruning rates; best at the top. A "
            "star: the two are told apart by Nemenyi's test, corrected for all pairs: those that no bar joins in the "
            "average ranks.",
            matrices.pairs(group, stars, look, title=""), study, branch, samples,
            n if _decides(rows) else f"{n} No star is possible: {_undecidable(rows)}.",
        )  # fmt: skip
        if not _decides(rows):
            continue
        blocks_table = table.query("branch == @branch and samples_per_class == @samples")
        blocks_table = (
            blocks_table.query("study == @study") if scope == "study" else blocks_table.groupby(level="study").mean()
        )
        first = rows.iloc[0]
        yield Drawing(
            "ranks", where, name,
            "Average rank over the seeds (1 = best). Criteria under one bar cannot be told apart by Nemenyi's test, "
            f"corrected for all pairs at {claims.alpha:g}.",
            plots.critical_differences(blocks_table.dropna(axis=1, how="all"), claims.alpha, look, title=""),
            study, branch, samples,
            f"n = {counted(int(first['blocks']), noun)}; critical difference {first['critical_difference']:.2f}; do "
            f"criteria differ at all: Iman–Davenport p {written_p(float(first['p']), int(first['blocks']))}.",
        )  # fmt: skip


def _decides(ranks: pd.DataFrame) -> bool:
    """Whether Nemenyi's test could tell any two criteria of this setting apart."""
    return len(ranks) > 0 and bool(ranks["critical_difference"].notna().all()) and not ranks["note"].iloc[0]


def _undecidable(ranks: pd.DataFrame) -> str:
    return str(ranks["note"].iloc[0]) if len(ranks) and ranks["note"].iloc[0] else "too few blocks to rank"


def _decomposition(statistics: Path, look: style.Style) -> Iterator[Drawing]:
    if (statistics / "decomposition.csv").exists():
        yield from decomposition.drawings(read_statistics(statistics, "decomposition"), look)


def _profiles(profiles: pd.DataFrame, units: pd.DataFrame, look: style.Style) -> Iterator[Drawing]:
    for study, group in profiles.groupby("study"):
        samples = tables.in_order(group["samples_per_class"])[-1]
        rate = min(set(group["rate"]), key=lambda value: (abs(value - PROFILE_RATE), value))
        chosen = group[(group["samples_per_class"] == samples) & (group["rate"] == rate)]
        own = units[(units["study"] == study) & units["group"].isin(set(chosen["group"]))].drop_duplicates("group")
        kinds = {row["group"]: f"{worded(row['kind'])}s" for row in tables.records(own)}
        what = "units" if len(set(kinds.values())) > 1 else "filters"
        yield Drawing(
            "profile", (str(study),), setting(str(study), "fewshot", samples),
            f"Which layers each criterion empties: per cent of a layer's {what} removed when {100 * rate:.0f} % of "
            f"all {what} are gone; orange layers lost more than the network as a whole, blue ones less. Layers from "
            f"the image (left) to the answer (right){', one kind of units after the other' * (what == 'units')}.",
            matrices.profile(chosen, look, title="", kinds=kinds), str(study), "", "",
            f"Mean over {counted(chosen['seed'].nunique(), 'seed')}.",
        )  # fmt: skip


def _agreement(statistics: Path, look: style.Style) -> Iterator[Drawing]:
    if not (statistics / "agreement.csv").exists():
        return
    for study, group in read_statistics(statistics, "agreement").groupby("study"):
        samples = tables.in_order(group.loc[group["kind"] == "criteria", "samples_per_class"])
        itself = group[group["kind"] == "draws"]
        same = ""
        if samples and samples[-1] in set(itself["samples_per_class"]):
            group = group[group["kind"] != "samples"]
            same = " On the diagonal: the criterion with itself, on two draws of as many images, one network."
        elif (group["kind"] == "samples").any():
            first = group[group["kind"] == "samples"].iloc[0]
            same = (
                f" On the diagonal: the criterion with itself, from {first['samples_per_class']} and from "
                f"{first['other_samples_per_class']} images per class."
            )
        if samples:
            yield Drawing(
                "agreement", (str(study),), setting(str(study), "", samples[-1]),
                "Spearman's rank correlation between the scores that two criteria give all filters of the same "
                f"network: 1 is the same order, 0 is unrelated.{same}",
                matrices.agreement(group, samples[-1], look, title=""), str(study), "", "",
                f"Mean over n = {counted(group['seed'].nunique(), 'seed')}.",
            )  # fmt: skip


def _cost(cost: pd.DataFrame, claims: claim_files.Claims, look: style.Style) -> Iterator[Drawing]:
    limits = [claim.limit for claim in claims.claims if claim.measure == "ratio_to_gradient"]
    for study, group in cost.groupby("study"):
        first = group.iloc[0]
        dashed = f" Dashed line: the limit of the claim, {limits[0]:g}×." if limits else ""
        yield Drawing(
            "cost", (str(study),), str(study),
            "Time to rank all filters once, as a multiple of a gradient pass on the same images. One dot a repeat; "
            f"mark and number: median.{dashed}",
            plots.cost(group, limits[0] if limits else None, look, title=""), str(study), "", "",
            f"{first['samples']} images ({first['input_size']}, {first['device']}); n = "
            f"{counted(group['repeat'].nunique(), 'repeat')}.",
        )  # fmt: skip


def _further_toy(folder: Path, statistics: Path, look: style.Style) -> Iterator[Drawing]:
    """The 2-D study's figures that need its statistics, where the run has them."""
    if not (folder / "toy.parquet").exists() or not (statistics / "toy_published.csv").exists():
        return
    stats = {
        name: read_statistics(statistics, name).astype({"samples_per_class": int})
        for name in ("toy_published", "toy_stability")
        if (statistics / f"{name}.csv").exists()
    }
    yield from toy_figures.drawings(
        toy_reproduction.read_measured(folder / "toy.parquet"), stats["toy_published"],
        stats.get("toy_stability", pd.DataFrame()), look,
    )  # fmt: skip
