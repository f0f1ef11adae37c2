"""A folder to run the workflow in where Secateur is installed: `secateur init` writes it."""

import re
import shutil
from pathlib import Path

from secateur import shipped
from secateur.errors import SecateurError
from secateur.files import write_text

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NO_RUNS = ("datasets", "claims", "config")
"""Files of config/ that are no runs."""
RUN = re.compile(r"^run: .*$", re.MULTILINE)
SNAKEFILE = """\
# The run of this folder: Secateur's workflow as it is installed, with config.yaml.
#
#   snakemake --cores all                                  the run of config.yaml
#   snakemake --cores all --configfile other.yaml          another one
#   snakemake -n                                           what would run

from secateur import shipped

if not workflow.config_settings.configfiles:

    configfile: "config.yaml"


include: shipped.ROOT / "workflow" / "Snakefile"


workflow.default_target = "all"  # which an included rule is not by itself
"""
README = """\
# {name}

A run of Secateur: which filters can this network lose?

```sh
snakemake -n                  # what would run
snakemake --cores all         # results/{name}/report.html
secateur report serve         # how far it is, in a browser on this machine
```

A run that was killed resumes. `config.yaml` says what is compared; it is a copy of Secateur's `{source}.yaml`.

| file | what it is |
|---|---|
| `config.yaml` | the run: criteria, networks, datasets, seeds |
| `Snakefile` | takes in the workflow of the installed package |
| `profiles/default/` | how Snakemake starts here |
| `data.dvc` | what the bytes of the embedded datasets must be; see `secateur data pin --help` |

A criterion of your own: `secateur criteria new mine`, then `criteria_path: [criteria]` in `config.yaml` and its name
among `criteria`. Images of your own: an entry of `datasets` with `path`. A claims file `config/claims.yaml` in this
folder takes the place of Secateur's own.
"""
IGNORED = "/results/\n/data/\n/logs/\n/.snakemake/\n"


def sources() -> dict[str, Path]:
    """The runs that Secateur brings along: name → config."""
    configs = sorted((shipped.ROOT / "config").glob("*.yaml"))
    return {path.stem: path for path in configs if path.stem not in NO_RUNS and not path.stem.endswith("_local")}


def write(folder: Path, source: str = "demo") -> list[Path]:
    """Write Snakefile, config.yaml, README.md and what Snakemake and DVC read beside them to a new `folder`.

    The run is called as the folder is. `source` names the config that config.yaml is a copy of (see `sources`).

    Returns the files written. Raises SecateurError for a folder that holds files, a name that no run may have, or an
    unknown source; nothing is written then.
    """
    name = folder.resolve().name
    if not NAME.fullmatch(name):
        raise SecateurError(
            f"'{name}' cannot be the name of a run: allowed are small letters, digits, '_' and '-', beginning with a "
            "letter or a digit."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SecateurError(f"{folder}: there is something already. Name a new or an empty folder.")
    known = sources()
    if source not in known:
        raise SecateurError(f"--config: there is no run '{source}'; known are {', '.join(known)}.")
    config = RUN.sub(f"run: {name}", known[source].read_text(encoding="utf-8"), count=1)
    written = {
        "Snakefile": SNAKEFILE,
        "config.yaml": config,
        "README.md": README.format(name=name, source=source),
        ".gitignore": IGNORED,
    }
    for file, text in written.items():
        write_text(folder / file, text)
    copied = ("profiles/default/config.yaml", "data.dvc")
    for file in copied:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped.ROOT / file, folder / file)
    return [folder / file for file in (*written, *copied)]
