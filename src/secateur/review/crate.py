"""A run as a Workflow Run RO-Crate: one folder or archive with what was run, what came out, and what both are.

The crate holds a folder to run the workflow in, as `secateur init` writes it, with the run's own config and claims; the
run as `publish` copies it; the workflow's rules; the locked requirements; and ro-crate-metadata.json, which describes
them for machines (RO-Crate 1.1, Workflow RO-Crate 1.0, Workflow Run Crate 0.5). Unpacked where this version of Secateur
is installed, `snakemake --cores all` runs it again, and `secateur compare` holds both against each other.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from secateur import __version__, runfolder, running, shipped
from secateur.errors import SecateurError
from secateur.files import filling, read_json, write_json, write_text
from secateur.provenance import CLAIMS
from secateur.review import cratefile
from secateur.review.publishing import publish

BROUGHT = ("workflow", "envs", "profiles/default", "LICENSE", "data.dvc")
"""What of Secateur's own files lies in a crate."""
CHECK = f"""
if secateur.__version__ != "{__version__}":
    raise WorkflowError(
        f"this crate was made by Secateur {__version__}; installed is {{secateur.__version__}}. Install that version."
    )
"""
README = """\
# {run}, a run of Secateur

A Workflow Run RO-Crate: `ro-crate-metadata.json` describes it, `published/{run}/report.html` is what came out.

Where Secateur {version} is installed (`envs/requirements.txt` has the run's packages with their hashes), here:

```sh
snakemake --cores all                                # runs it again: results/{run}/
secateur compare published/{run} results/{run}       # exit code 0: identical or reproduced
secateur published check published/{run}             # is what was published consistent with itself?
```
{needed}"""


def write(results: Path, output: Path) -> int:
    """Write the crate of a complete run.

    Args:
        results: the run's folder, results/<run>.
        output: a folder to make, or a file that ends in .zip.

    Returns:
        How many files are in it.

    Raises:
        SecateurError: the run is not complete, there is something at `output` already, or the run uses criteria of a
            folder that is not below the one you stand in.
    """
    if output.exists():
        raise SecateurError(
            f"{output}: there is something already. Name a new folder, or a new file that ends in .zip."
        )
    with TemporaryDirectory(prefix="secateur-") as temporary:
        folder = Path(temporary) / "crate"
        files = _fill(results, folder)
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".zip":
            made = shutil.make_archive(str(Path(temporary) / "packed"), "zip", folder)
            shutil.move(made, output)
        else:
            with filling(output) as target:
                shutil.copytree(folder, target, dirs_exist_ok=True)
    return files


def _fill(results: Path, folder: Path) -> int:
    """Write all files of the crate to `folder`; returns how many."""
    config = _config(results)
    run = config["run"]
    publish(results, folder / "published" / run)
    known = read_json(folder / "published" / run / "provenance.json")
    code = runfolder.SNAKEFILE.replace(
        "from secateur import shipped\n", f"import secateur\nfrom secateur import shipped\n{CHECK}"
    )
    code = f"from snakemake.exceptions import WorkflowError\n\n{code}"
    write_text(folder / "Snakefile", code)
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=True, allow_unicode=True))
    write_text(folder / "README.md", README.format(run=run, version=__version__, needed=_needed(config)))
    for name in BROUGHT:
        _copy(shipped.ROOT / name, folder / name)
    (folder / CLAIMS).parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / "published" / run / CLAIMS.name, folder / CLAIMS)
    for name in config["criteria_path"]:
        if Path(name).is_absolute() or not Path(name).resolve().is_relative_to(Path.cwd()):
            raise SecateurError(
                f"criteria_path: {name} is not below this folder, so the crate cannot have it at the same place. "
                "Move the criteria here and run again."
            )
        _copy(Path(name), folder / name)
    plan = results / running.FILE
    when = running.read(plan) if plan.exists() else {}
    moments = (when.get("started"), when.get("ended"))
    write_json(folder / cratefile.NAME, cratefile.metadata(folder, config, known, moments))
    return sum(path.is_file() for path in folder.rglob("*"))


def _config(results: Path) -> dict[str, Any]:
    path = results / "config.json"
    if not path.exists():
        raise SecateurError(f"{results}: there is no run here: config.json is not there. Name results/<run>.")
    config: dict[str, Any] = read_json(path)
    if not isinstance(config, dict) or not {"run", "criteria_path", "studies", "backbones"} <= set(config):
        raise SecateurError(f"{path}: not the config of a run.")
    return config


def _needed(config: dict[str, Any]) -> str:
    """What the crate does not hold and the run reads: images and weights of the user's own."""
    needed = [
        f"datasets.{name}.path: {one['path']}" for name, one in config.get("datasets", {}).items() if "path" in one
    ]
    needed += [
        f"backbones.{name}.weights: {one['weights']['file']}"
        for name, one in config["backbones"].items()
        if "file" in one["weights"]
    ]
    lines = "".join(f"- `{line}`\n" for line in needed)
    return f"\nNot in this crate, and needed to run it again:\n\n{lines}" if needed else ""


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copyfile(source, target)
