"""ro-crate-metadata.json: what is in a crate and how it came about, as JSON-LD.

The rules are those of RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), Workflow RO-Crate 1.0 and the Workflow Run Crate
profile 0.5 (https://w3id.org/ro/wfrun/workflow/0.5).
"""

import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secateur.review.manifest import sha256

NAME = "ro-crate-metadata.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
WORKFLOW = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
FORMATS = {".yaml": "application/yaml", ".smk": "text/x-python", ".parquet": "application/vnd.apache.parquet",
           ".md": "text/markdown", ".safetensors": "application/octet-stream"}  # fmt: skip

Entity = dict[str, Any]


def metadata(
    folder: Path, config: dict[str, Any], known: dict[str, Any], moments: tuple[float | None, float | None]
) -> dict[str, Any]:
    """The content of ro-crate-metadata.json.

    Args:
        folder: the crate, with all its other files.
        config: the run's config.
        known: its provenance.json.
        moments: when the run began and ended, in seconds since 1970, where that is known.
    """
    run = config["run"]
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    results = [f"published/{run}/", f"published/{run}/report.html"]
    began, ended = (None if moment is None else _date(moment) for moment in moments)
    root = {
        "@id": "./", "@type": "Dataset", "name": f"{run}: a run of Secateur",
        "description": "A benchmark of neural-network pruning criteria: which filters can these networks lose? "
        + "; ".join(map(str, known.get("datasets", []))),
        "datePublished": ended or _date(None), "license": _to(LICENCE),
        "conformsTo": [_to(profile) for profile in PROFILES], "mainEntity": _to("Snakefile"),
        "hasPart": [_to(name) for name in [*files, results[0]]], "mentions": _to("#run"),
    }  # fmt: skip
    action = {
        "@id": "#run", "@type": "CreateAction", "name": f"The run {run}",
        "description": f"commit {known.get('commit', 'unknown')}, on {known.get('hardware', 'an unknown machine')}",
        "instrument": _to("Snakefile"), "object": [_to("config.yaml"), _to("config/claims.yaml")],
        "result": [_to(name) for name in results], "agent": _to("#agent"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }  # fmt: skip
    action |= {key: value for key, value in (("startTime", began), ("endTime", ended)) if value}
    descriptor = {
        "@id": NAME, "@type": "CreativeWork", "about": _to("./"),
        "conformsTo": [_to("https://w3id.org/ro/crate/1.1"), _to("https://w3id.org/workflowhub/workflow-ro-crate/1.0")],
    }  # fmt: skip
    entities = [descriptor, root, *(_file(folder, name) for name in files), action]
    _add(entities, "Snakefile", _workflow(folder, known))
    _add(entities, "README.md", {"about": _to("./")})
    _add(entities, "config.yaml", {"exampleOfWork": _to("#config"), "description": "What was run: the resolved config"})
    _add(entities, "config/claims.yaml", {"exampleOfWork": _to("#claims"), "description": "The claims that it judged"})
    _add(entities, results[1], {"exampleOfWork": _to("#report"), "description": "The page that the run ended in"})
    said = f"What the run {run} made: tables, statistics, figures, page"
    entities.append({"@id": results[0], "@type": "Dataset", "name": said, "exampleOfWork": _to("#results")})
    return {"@context": CONTEXT, "@graph": [*entities, *_around(known)]}


def _workflow(folder: Path, known: dict[str, Any]) -> Entity:
    """What makes the Snakefile the crate's workflow."""
    rules = sorted(path.relative_to(folder).as_posix() for path in (folder / "workflow").rglob("*") if path.is_file())
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"], "name": "Secateur's workflow",
        "conformsTo": _to(WORKFLOW), "programmingLanguage": _to(SNAKEMAKE), "license": _to(LICENCE),
        "version": str(known.get("versions", {}).get("secateur", "unknown")),
        "input": [_to("#config"), _to("#claims")], "output": [_to("#report"), _to("#results")],
        "hasPart": [_to(name) for name in rules],
        "softwareRequirements": [_to(_package(*one)) for one in known.get("versions", {}).items()],
    }  # fmt: skip


def _around(known: dict[str, Any]) -> list[Entity]:
    """What the files' descriptions refer to: profiles, parameters, the language, packages and the agent."""
    profiles = [
        {"@id": address, "@type": "CreativeWork", "name": name, "version": version}
        for address, (name, version) in PROFILES.items()
    ]
    parameters = [
        {"@id": f"#{name}", "@type": "FormalParameter", "additionalType": kind, "name": name,
         "conformsTo": _to(PARAMETER), "description": said}
        for name, kind, said in (
            ("config", "File", "Criteria, networks, datasets and seeds"),
            ("claims", "File", "Claims with their measures and margins"),
            ("report", "File", "The page"),
            ("results", "Dataset", "Tables, statistics, figures and what made them"),
        )
    ]  # fmt: skip
    packages = [
        {"@id": _package(name, version), "@type": "SoftwareApplication", "name": name, "softwareVersion": str(version)}
        for name, version in known.get("versions", {}).items()
    ]
    language = {
        "@id": SNAKEMAKE, "@type": "ComputerLanguage", "name": "Snakemake",
        "identifier": _to("https://doi.org/10.1093/bioinformatics/bts480"), "url": _to("https://snakemake.github.io"),
        "version": str(known.get("versions", {}).get("snakemake", "unknown")),
    }  # fmt: skip
    licence = {"@id": LICENCE, "@type": "CreativeWork", "name": "Apache License 2.0", "identifier": "Apache-2.0"}
    agent = {"@id": "#agent", "@type": "Organization", "name": "Whoever started the run; the crate does not say who"}
    return [*profiles, *parameters, *packages, language, licence, agent]


def _file(folder: Path, name: str) -> Entity:
    path = folder / name
    kind = FORMATS.get(path.suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    return {"@id": name, "@type": "File", "name": path.name, "encodingFormat": kind,
            "contentSize": str(path.stat().st_size), "sha256": sha256(path)}  # fmt: skip


def _add(entities: list[Entity], name: str, more: Entity) -> None:
    next(one for one in entities if one["@id"] == name).update(more)


def _package(name: str, version: object) -> str:
    """The package's URL (purl), which is an absolute address and leads to no host."""
    return f"pkg:{'generic' if name == 'python' else 'pypi'}/{name}@{version}"


def _to(address: str) -> Entity:
    return {"@id": address}


def _date(moment: float | None) -> str:
    return (datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)).isoformat(timespec="seconds")
