"""Which version, config and data a published run says that it was made by, and whether its own files bear that out."""

from pathlib import Path
from typing import Any

from secateur import __version__
from secateur.config import parts
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.layout import rankings
from secateur.provenance import CLAIMS, config_hash, content_hash, data_files
from secateur.review.finding import HOLDS, UNCHECKED, Finding, refused
from secateur.review.publishing import PAGE
from secateur.tensorfile import read as read_scores


def check(folder: Path, config: dict[str, Any]) -> list[Finding]:
    """What provenance.json says of a published run, held against the files beside it and the data of this folder.

    Args:
        folder: the published run.
        config: its config, with the defaults of keys that it is older than.

    Raises:
        SecateurError: provenance.json is no mapping with `versions`, `config_hash` and `hashes`.
    """
    known = read_json(folder / "provenance.json")
    if not isinstance(known, dict) or not all(
        isinstance(known.get(key), kind) for key, kind in (("versions", dict), ("config_hash", str), ("hashes", dict))
    ):
        raise SecateurError(
            f"{folder / 'provenance.json'}: without versions, config_hash and hashes; not what a run writes. "
            "Publish the run again."
        )
    version, commit = known["versions"].get("secateur", "unknown"), known.get("commit", "unknown")
    here = "" if version == __version__ else f"; here is {__version__}, so numbers may differ where versions do"
    made = Finding("version", HOLDS, f"made by Secateur {version}, commit {commit}{here}")
    return [made, *_config(folder, known), *_hashes(folder, config, known["hashes"]), *data(config, known)]


def data(config: dict[str, Any], known: dict[str, Any]) -> list[Finding]:
    """The data that the run was made from, held against those of the folder one stands in, where they are there."""
    said = known["hashes"].get("data", {})
    findings = []
    for name, file in data_files(config).items():
        if name not in said:
            findings += refused("data", [f"{name}: the run's hashes name no such data, which its config uses"], "")
        elif (here := content_hash(file)) is None:
            findings.append(Finding("data", UNCHECKED, f"{name}: {said[name]}; not in this folder, so not compared"))
        elif here != said[name]:
            findings += refused(
                "data", [f"{name}: made from {said[name]}, but the data in {file.parent} are {here}"], ""
            )
        else:
            findings.append(Finding("data", HOLDS, f"{name}: {said[name]}, as the data in {file.parent}"))
    return findings


def _config(folder: Path, known: dict[str, Any]) -> list[Finding]:
    """The config is the one that made the run, and the page is that run's."""
    own = config_hash(read_json(folder / "config.json"))
    problems = []
    if own != known["config_hash"]:
        problems.append(f"config.json: its hash is {own}, the run was made with {known['config_hash']}")
    if not (page := folder / PAGE).exists():
        return refused("config", problems, f"config hash {own}, the same in the config and the provenance")
    if known["config_hash"] not in page.read_text(encoding="utf-8", errors="replace"):
        problems.append(f"{PAGE}: the page of another run; config hash {known['config_hash']} is not on it")
    return refused("config", problems, f"config hash {own}, the same in the config, the provenance and the page")


def _hashes(folder: Path, config: dict[str, Any], said: dict[str, Any]) -> list[Finding]:
    """Score files, reference samples and claims are those that the run's hashes name, for every block of seeds."""
    blocks = {f"{study}/{part}" for study in config["studies"] for part in parts(config)}
    problems = [
        f"the run's hashes of {kind} are of {', '.join(sorted(said.get(kind, {})))}; its config makes "
        f"{', '.join(sorted(blocks))}"
        for kind in ("models", "samples")
        if set(said.get(kind, {})) != blocks
    ]
    grouped: dict[str, list[Path]] = {}
    for path in rankings(config):
        grouped.setdefault("/".join(path.parts[1:-1]), []).append(folder / path)
    compared: dict[tuple[str, str], list[Path]] = {("rankings", name): paths for name, paths in grouped.items()}
    compared |= {("samples", name): [folder / f"samples/{name}.csv"] for name in sorted(blocks)}
    compared |= {("claims", CLAIMS.name): [folder / CLAIMS.name]}
    for (kind, name), paths in compared.items():
        if absent := [path for path in paths if not path.exists()]:
            problems.append(f"{absent[0].relative_to(folder)}: not there")
        elif (made := content_hash(*paths)) != said.get(kind, {}).get(name):
            problems.append(f"{kind} {name}: the run's hash is {said.get(kind, {}).get(name, 'absent')}, found {made}")
        elif kind == "rankings":
            problems += [problem for path in paths if (problem := _damage(path, folder))]
    fine = f"{len(grouped)} score files, {len(blocks)} sets of reference samples and the claims have the run's hashes"
    return refused("hashes", problems, fine)


def _damage(path: Path, folder: Path) -> str:
    """What is wrong with the tensors of a score file, whose header alone was hashed; "" where nothing is."""
    try:
        read_scores(path, "score file", framework="np")
    except SecateurError as error:
        return str(error).removeprefix(f"{folder}/")
    return ""
