"""The stage `report`: one HTML file that holds every figure, table and sentence, and asks the network for nothing."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from secateur import shipped, varying
from secateur.analysis import claims as claim_files
from secateur.analysis import tables
from secateur.analysis.forms import of_run
from secateur.errors import SecateurError
from secateur.files import read_json, write_text
from secateur.report import (
    answer,
    checks,
    content,
    criteria_tables,
    decision,
    decomposition,
    explorer,
    inline,
    latex,
    page_tables,
    protocol,
    published,
    remedy_tables,
    style,
    workflow,
)
from secateur.report.control_tables import controls_table
from secateur.report.drawing import read_statistics
from secateur.report.figures import EXPLORER

SECTIONS = (
    "curve", "macs", "params", "worst", "maps", "wrong", "ranks", "effects", "pairs", "decomposition", "profile",
    "grid", "agreement", "cost", "boundary", "toy", "workflow",
)  # fmt: skip

SHOWN_VERSIONS = 10
"""So many packages stand on the page, Python first; provenance.json has all."""


def run(
    tables_dir: str | Path,
    statistics_dir: str | Path,
    figures_dir: str | Path,
    output: str | Path,
    config: dict[str, Any],
    provenance: dict[str, Any],
    missing: Sequence[str] = (),
    toy_dir: str | Path | None = None,
    assets: str | Path = "report",
    claims_path: str | Path = "config/claims.yaml",
    command: str = "",
) -> None:
    """Assemble the report of a run.

    Args:
        tables_dir, statistics_dir, figures_dir: what the stages before have written.
        output: the HTML file, written whole or not at all; tables.tex (booktabs) is written beside it.
        config: the run's config, shown as it is; `run` is its name, `deviations` (a list of sentences) is added to
            the methods.
        provenance: what was run where; every key is optional: `commit`, `config_hash`, `hardware`, `wall_seconds`,
            `versions` (name → version), `criteria` (name → description), `rules` (rule → times, see
            running.times); others are shown under their own name.
        missing: what the run should have had and has not, in words; shown at the top.
        toy_dir: a folder whose *.png and *.svg pictures are shown in the section on the 2-D study, if there are any.
        assets: folder with page.html.j2, methods.html.j2, page.css, page.js, explorer.js and style.yaml.
        claims_path: the claims that the verdicts are about.
        command: what makes the figures again; default: the workflow's target for this run.

    Raises:
        SecateurError: a file of an earlier stage or of the assets cannot be read.
    """
    claims = of_run(claim_files.read(claims_path), config.get("criteria", []))
    curves = tables.read(tables_dir, "curves")
    unpruned = tables.read(tables_dir, "curves", control="unpruned")
    cost = tables.optional(tables_dir, "cost")
    names = ("intervals", "tests", "variance", "verdicts", "power", "diagnostics", "recommended")
    found = {name: read_statistics(Path(statistics_dir), name) for name in names}
    described = {str(key): str(value) for key, value in (provenance.get("criteria") or {}).items()}
    look = style.read(Path(assets) / "style.yaml", {*curves["criterion"], *cost["criterion"], *described})
    run_name = str(config.get("run") or (curves["run"].iloc[0] if len(curves) else "run"))
    chart = _explorer(Path(figures_dir) / EXPLORER)
    scripts = [_asset(assets, "page.js")]
    if chart:
        scripts.append(_asset(assets, "explorer.js"))
    library = explorer.library() if chart else ""
    facts = content.facts(curves)
    shown = [
        page_tables.studies_table(facts["studies"]),
        page_tables.glance(found["intervals"]), page_tables.by_rate(found["intervals"]),
        page_tables.pairwise(found["tests"]), page_tables.verdict_table(found["verdicts"]),
        page_tables.variance_table(found["variance"]), checks.table(found["diagnostics"]),
        controls_table(curves, unpruned, tables.read(tables_dir, "curves", control="scratch")),
        page_tables.cost_table(cost), page_tables.latency_table(tables.optional(tables_dir, "latency")),
        page_tables.units_table(tables.optional(tables_dir, "units")),
        *published.toy_tables(Path(statistics_dir)), page_tables.times_table(provenance.get("rules") or {}),
    ]  # fmt: skip
    for name, table in (
        ("oracle", criteria_tables.oracle_table),
        ("regret", criteria_tables.regret_table),
        ("choices", criteria_tables.choices_table),
    ):
        if (Path(statistics_dir) / f"{name}.csv").exists():
            shown.append(table(read_statistics(Path(statistics_dir), name)))
    repaired = []
    if (Path(statistics_dir) / "remedies.csv").exists():
        worth, order, verdicts = (
            read_statistics(Path(statistics_dir), each, None) for each in ("remedies", "remedies_order", "verdicts")
        )
        timed = tables.optional(tables_dir, "cost", remedy=None)
        shown += [
            remedy_tables.worth_table(worth), remedy_tables.order_table(order),
            remedy_tables.verdicts_table(verdicts), remedy_tables.cost_table(timed),
        ]  # fmt: skip
        repaired = remedy_tables.sentences(worth, order) + remedy_tables.verdict_sentences(verdicts, claims.paper)
        repaired += remedy_tables.cost_sentences(timed)
    chosen = []
    if (Path(statistics_dir) / "decomposition.csv").exists():
        parts = read_statistics(Path(statistics_dir), "decomposition")
        shown.append(decomposition.table(parts))
        chosen = decomposition.sentences(parts, config.get("criteria", []))
    shown.append(criteria_tables.tuning_table(tables.optional(tables_dir, "tuning")))
    trusted = checks.sentences(found["diagnostics"], curves, unpruned)
    if (Path(statistics_dir) / "ties.csv").exists():
        tied = read_statistics(Path(statistics_dir), "ties")
        trusted.append(checks.of_ties(tied))
        shown.append(checks.ties_table(tied))
    if (Path(statistics_dir) / "agreement.csv").exists():
        shown.append(page_tables.agreement_table(read_statistics(Path(statistics_dir), "agreement")))
    context = {
        "run": run_name, "claims": claims, "cards": answer.cards(found["verdicts"], claims),
        "headline": answer.headline(found["verdicts"], claims),
        "pictures": _pictures(toy_dir), "toy": published.toy_sentences(Path(statistics_dir)),
        "sensitivity": content.sensitivity(found["power"]),
        "repaired": repaired, "chosen": chosen,
        "leaders": content.leaders(found["intervals"]),
        "decision": decision.rows(found["recommended"], cost),
        "scope": decision.scope(facts, _sizes(config), facts["seeds"]),
        "checks": trusted,
        "facts": facts, "described": described, "look": look,
        "figures": _figures(Path(figures_dir), look),
        "tables": {table.id: table for table in shown if table.rows},
        "provenance": _provenance(provenance), "missing": [str(item) for item in missing],
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100),
        "retraining": protocol.retraining(config), "differences": protocol.differences(config),
        "conditional": content.conditional(config.get("vary") or varying.DEFAULT),
        "deviations": [str(item) for item in config.get("deviations") or []],
        "command": command or f"snakemake --cores all --configfile results/{run_name}/config.json",
        "css": _asset(assets, "page.css"), "scripts": scripts, "library": library,
        "script_hashes": [inline.source_hash(script) for script in (*scripts, library) if script],
        "explorer": chart,
        "percent": page_tables.percent,
    }  # fmt: skip
    write_text(output, _render(Path(assets), context))
    latex.write(Path(output).with_name("tables.tex"), found["intervals"], found["verdicts"])


def _explorer(path: Path) -> dict[str, Any] | None:
    """What the template needs of the interactive curves; None where the stage `figures` found nothing to draw."""
    found = read_json(path)
    if found is None:
        return None
    every = [n for branches in found["settings"].values() for samples in branches.values() for n in samples]
    return {
        "data": explorer.embedded(found),
        "studies": [(name, name) for name in found["settings"]],
        "samples": [(n, n) for n in tables.in_order(pd.Series(every))],
        **{key: list(found[key].items()) for key in ("branches", "axes", "measures")},
    }


def _sizes(config: dict[str, Any]) -> dict[str, int]:
    """Backbone → side of its input in pixels, where the config says it."""
    backbones = (config.get("backbones") or {}).items()
    return {name: int(entry["size"]) for name, entry in backbones if isinstance(entry, dict) and entry.get("size")}


def _asset(assets: str | Path, name: str) -> str:
    path = shipped.find(Path(assets) / name)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecateurError(f"{path}: cannot be read ({error}). Install Secateur again, or restore the file.") from None


def _render(assets: Path, context: dict[str, Any]) -> str:
    import jinja2

    loader = jinja2.FileSystemLoader(shipped.find(assets / "page.html.j2").parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tied"] = lambda text: str(text).replace(" %", "\u00a0%")  # a number and its unit stay together
    try:
        return environment.get_template("page.html.j2").render(context)
    except jinja2.TemplateError as error:
        raise SecateurError(f"{assets}/page.html.j2: the template cannot be rendered: {error!r}.") from None


def _figures(folder: Path, look: style.Style) -> dict[str, list[dict[str, Any]]]:
    """Section → panels (one a study and branch) → figures with their SVG."""
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    colours = {look.ink: "var(--ink)", look.line: "var(--line)", look.card: "var(--card)"}
    for number, entry in enumerate(read_json(folder / "captions.json")):
        panels = sections.setdefault(entry["section"], [])
        panel = next((panel for panel in panels if panel["title"] == entry["panel"]), None)
        if panel is None:
            panel = {"title": entry["panel"], "figures": []}
            panels.append(panel)
        name = f"{panel['title']}: {entry['title']}"
        drawn = inline.svg(folder / entry["file"], name, f"f{number}-", colours)
        panel["figures"].append(entry | {"svg": drawn, "wide": "min-width" in drawn.partition(">")[0]})
    return sections


def _pictures(folder: str | Path | None) -> list[dict[str, str]]:
    """The toy branch's own pictures, as images that cannot touch the page."""
    if folder is None:
        return []
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    return [
        {"name": path.stem.replace("_", " "), "uri": inline.data_uri(path.read_bytes(), kinds[path.suffix])}
        for path in sorted(Path(folder).glob("*"))
        if path.suffix in kinds
    ]


def _provenance(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in provenance.items():
        if key in ("criteria", "rules") or value in (None, "", {}, []):
            continue
        if key == "wall_seconds":
            rows.append(("wall time", workflow.duration(float(value))))
        elif key == "hashes":  # one for each kind; all of them are in provenance.json
            short = {kind: hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]
                     for kind, named in value.items() if named}  # fmt: skip
            rows.append(("hashes (SHA-256)", ", ".join(f"{kind} {number}" for kind, number in short.items())))
        elif isinstance(value, dict):
            value = dict(list(value.items())[:SHOWN_VERSIONS]) if key == "versions" else value
            rows.append((key.replace("_", " "), ", ".join(f"{name} {number}" for name, number in value.items())))
        elif isinstance(value, list | tuple):
            rows.append((key.replace("_", " "), "; ".join(map(str, value))))
        else:
            rows.append((key.replace("_", " "), str(value)))
    return rows


def missing_criteria(curves: pd.DataFrame, expected: Sequence[str]) -> list[str]:
    """Sentences about expected criteria that have no curve in some study and branch: input for `run`'s `missing`."""
    found = []
    for (study, branch), group in curves.groupby(["study", "branch"]):
        absent = [name for name in expected if name not in set(group["criterion"])]
        if absent:
            found.append(f"{study}, {content.BRANCHES.get(str(branch), branch)}: no curve of {', '.join(absent)}")
    return found
