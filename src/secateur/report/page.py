"""The stage `report`: one HTML file that holds every figure, table and sentence, and asks the network for nothing."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from secateur import shipped, varying
from secateur.analysis import claims as claim_files
from secateur.analysis import tables
from secateur.analysis.forms import of_run
from secateur.errors import SecateurError
from secateur.files import write_text
from secateur.repair import NONE
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
    panels,
    protocol,
    published,
    remedy_tables,
    style,
    summary,
    time_tables,
    workflow,
)
from secateur.report.control_tables import controls_table
from secateur.report.drawing import read_statistics
from secateur.report.figures import EXPLORER
from secateur.report.table import Table, branch_words, percent, row_id

SHOWN_VERSIONS = 10
"""So many packages stand on the page, Python first; provenance.json has all."""


@dataclass(frozen=True)
class Sources:
    """What a page is assembled from, apart from what is said of the run."""

    tables: Path
    statistics: Path
    figures: Path
    """`tables`, `statistics`, `figures`: folders, as the stages before have written them."""
    toy: Path | None = None
    """A folder whose *.png and *.svg pictures are shown in the section on the 2-D study, if there are any."""
    claims: Path = Path("config/claims.yaml")
    """The claims that the verdicts are about."""
    assets: Path = Path("report")
    """Folder with page.html.j2, methods.html.j2, page.css, page.js, explorer.js and style.yaml."""


def run(
    sources: Sources,
    output: str | Path,
    config: dict[str, Any],
    provenance: dict[str, Any],
    missing: Sequence[str] = (),
    command: str = "",
) -> None:
    """Assemble the report of a run.

    Args:
        sources: what it is assembled from.
        output: the HTML file, written whole or not at all; tables.tex (booktabs) is written beside it.
        config: the run's config, shown as it is; `run` is its name, `deviations` (a list of sentences) is added to
            the methods.
        provenance: what was run where; every key is optional: `commit`, `config_hash`, `hardware`, `wall_seconds`,
            `versions` (name → version), `criteria` (name → description), `rules` (rule → times, see
            running.times); others are shown under their own name.
        missing: what the run should have had and has not, in words; shown at the top.
        command: what makes the figures again; default: the workflow's target for this run.

    Raises:
        SecateurError: a file of an earlier stage or of the assets cannot be read.
    """
    claims = of_run(claim_files.read(sources.claims), config.get("criteria", []))
    statistics, assets = sources.statistics, sources.assets
    curves = tables.read(sources.tables, "curves")
    unpruned = tables.read(sources.tables, "curves", control="unpruned")
    cost, latency, units = (tables.optional(sources.tables, name) for name in ("cost", "latency", "units"))
    names = ("intervals", "tests", "ranks", "variance", "verdicts", "power", "diagnostics")
    stats = {name: read_statistics(statistics, name) for name in names}
    stats["recommended"] = read_statistics(statistics, "recommended", remedy=None)
    parts, ties, datasets = (_optional(statistics, name) for name in ("decomposition", "ties", "datasets"))
    described = glossary(provenance)
    look = style.read(assets / "style.yaml", {*curves["criterion"], *cost["criterion"], *described})
    run_name = str(config.get("run") or (curves["run"].iloc[0] if len(curves) else "run"))
    chart = panels.curves(sources.figures / EXPLORER)
    scripts = [_asset(assets, "page.js")]
    if chart:
        scripts.append(_asset(assets, "explorer.js"))
    library = explorer.library() if chart else ""
    facts = content.facts(curves)
    studies = pd.DataFrame(facts["studies"], columns=["study", "dataset", "backbone"])
    repair = _repair(sources.tables, statistics, claims.paper)
    shown = [
        page_tables.studies_table(facts["studies"]),
        summary.summary(stats["intervals"], cost), summary.by_rate(stats["intervals"]),
        page_tables.pairwise(stats["tests"], stats["ranks"]), page_tables.verdict_table(stats["verdicts"], studies),
        page_tables.variance_table(stats["variance"]), checks.table(stats["diagnostics"]),
        controls_table(curves, unpruned, tables.read(sources.tables, "curves", control="scratch")),
        time_tables.cost_table(cost), time_tables.latency_table(latency),
        page_tables.units_table(units),
        *published.toy_tables(statistics), time_tables.times_table(provenance.get("rules") or {}),
        criteria_tables.tuning_table(tables.optional(sources.tables, "tuning")), *repair[1],
    ]  # fmt: skip
    for name, table in (
        ("oracle", criteria_tables.oracle_table), ("regret", criteria_tables.regret_table),
        ("choices", criteria_tables.choices_table), ("agreement", page_tables.agreement_table),
    ):  # fmt: skip
        if (statistics / f"{name}.csv").exists():
            shown.append(table(read_statistics(statistics, name)))
    trusted = [(said, "diagnostics-table") for said in checks.sentences(stats["diagnostics"], curves, unpruned)]
    chosen = []
    if parts is not None:
        shown.append(decomposition.table(parts))
        chosen = decomposition.sentences(parts, config.get("criteria", []))
    if ties is not None:
        trusted.append((checks.of_ties(ties), "ties-table"))
        shown.append(checks.ties_table(ties))
    known = tables.records(datasets) if datasets is not None else []
    context = {
        "run": run_name, "claims": claims, "cards": answer.cards(stats["verdicts"], claims),
        "headline": answer.headline(stats["verdicts"], claims),
        "pictures": panels.pictures(sources.toy), "toy": published.toy_sentences(statistics),
        "sensitivity": content.sensitivity(stats["power"]),
        "repaired": repair[0], "chosen": chosen,
        "leaders": summary.leaders(stats["intervals"]),
        "decision": decision.rows(stats["recommended"], cost),
        "scope": decision.scope(facts, _sizes(config), pd.DataFrame(known)),
        "kinds": content.kinds(units), "checks": trusted, "gains": time_tables.gain_sentences(latency),
        "facts": facts, "described": described, "look": look,
        "selector": selector(curves, chart), "verdict_id": page_tables.verdict_id, "row_id": row_id,
        "figures": panels.figures(sources.figures, look),
        "tables": {table.id: table for table in shown if table.rows},
        "provenance": _provenance(provenance), "missing": [str(item) for item in missing],
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100),
        "transfer": protocol.transfer(config, known),
        "retraining": protocol.retraining(config), "differences": protocol.differences(config),
        "conditional": content.conditional(config.get("vary") or varying.DEFAULT),
        "deviations": [str(item) for item in config.get("deviations") or []],
        "command": command or f"snakemake --cores all --configfile results/{run_name}/config.json",
        "css": _asset(assets, "page.css"), "scripts": scripts, "library": inline.packed(library),
        "script_hashes": [inline.source_hash(script) for script in (*scripts, library) if script],
        "explorer": chart,
        "percent": percent,
    }  # fmt: skip
    write_text(output, _render(assets, context))
    latex.write(Path(output).with_name("tables.tex"), stats["intervals"], stats["verdicts"])


def _optional(folder: Path, name: str) -> pd.DataFrame | None:
    """A table of the statistics that not every run has."""
    return read_statistics(folder, name) if (folder / f"{name}.csv").exists() else None


def glossary(provenance: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Criterion → what it is (see `ranking.glossary.entry`); of an earlier run's provenance the sentence alone."""
    sentences = provenance.get("criteria") or {}
    entries = provenance.get("glossary") or {name: {"sentence": words} for name, words in sentences.items()}
    keys = ("sentence", "formula", "needs", "normalisation", "paper")
    return {str(name): {key: str(entry.get(key, "")) for key in keys} for name, entry in entries.items()}


def selector(curves: pd.DataFrame, chart: dict[str, Any] | None) -> dict[str, list[tuple[str, str]]]:
    """What the page's selector offers: control → its values, each with words; "remedy" is of the interactive curves."""
    branches = sorted(set(curves["branch"]))
    return {
        "study": [(name, name) for name in sorted(set(curves["study"]))],
        "branch": [(name, branch_words(name)) for name in branches],
        "samples": [(n, n) for n in tables.in_order(curves["samples_per_class"])],
        "remedy": [(name, name) for name in chart["remedies"]] if chart else [(NONE, NONE)],
    }


def _repair(tables_dir: Path, statistics: Path, paper: str) -> tuple[list[str], list[Table]]:
    """Sentences and tables on repair without training; none of either where the run has no remedies."""
    if not (statistics / "remedies.csv").exists():
        return [], []
    worth, order, verdicts = (
        read_statistics(statistics, each, None) for each in ("remedies", "remedies_order", "verdicts")
    )
    timed = tables.optional(tables_dir, "cost", remedy=None)
    said = remedy_tables.sentences(worth, order) + remedy_tables.verdict_sentences(verdicts, paper)
    return said + remedy_tables.cost_sentences(timed), [
        remedy_tables.worth_table(worth), remedy_tables.order_table(order),
        remedy_tables.verdicts_table(verdicts), remedy_tables.cost_table(timed),
    ]  # fmt: skip


def _sizes(config: dict[str, Any]) -> dict[str, int]:
    """Backbone → side of its input in pixels, where the config says it."""
    backbones = (config.get("backbones") or {}).items()
    return {name: int(entry["size"]) for name, entry in backbones if isinstance(entry, dict) and entry.get("size")}


def _asset(assets: Path, name: str) -> str:
    path = shipped.find(assets / name)
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


def _provenance(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in provenance.items():
        if key in ("criteria", "glossary", "rules") or value in (None, "", {}, []):
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
    missing = []
    for (study, branch), group in curves.groupby(["study", "branch"]):
        absent = [name for name in expected if name not in set(group["criterion"])]
        if absent:
            missing.append(f"{study}, {content.BRANCHES.get(str(branch), branch)}: no curve of {', '.join(absent)}")
    return missing
