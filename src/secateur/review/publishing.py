"""What others get of a run: its tables, statistics, figures and report, copied out of the workflow's reach.

Published files lie in published/<run>/, never in results/: a file at a rule's output path would make Snakemake skip the
work behind it, or redo an arbitrary part of it.
"""

import shutil
from pathlib import Path

from secateur import shipped
from secateur.errors import SecateurError
from secateur.provenance import CLAIMS
from secateur.review import manifest

PUBLISHED = (
    "tables", "statistics", "figures", "report.html", "tables.tex", "config.json", "provenance.json", "rankings",
    "samples",
)  # fmt: skip
"""What of results/<run>/ is published: all that the statistics are computed from and what it led to, no logs."""
WHERE_THERE = ("redraws",)
"""Published too, by runs that have it."""
NETWORKS = ("backbones", "models", "units", "unpruned")
"""Published where it is asked for: with them others can try a criterion on the same networks (`secateur join`)."""


def publish(results: str | Path, output: str | Path, networks: bool = False) -> int:
    """Copy a complete run's artifacts to `output`, which appears whole or not at all (an earlier copy is replaced).

    With them go the claims that it was judged by, and manifest.json, the hash of every file.

    Args:
        results: the run's folder, results/<run>.
        output: published/<run>.
        networks: copy the weights of its networks too.

    Returns:
        How many files there are.

    Raises:
        SecateurError: the run is not complete (names what is missing).
    """
    results, output = Path(results), Path(output)
    needed = PUBLISHED + (NETWORKS if networks else ())
    missing = [name for name in needed if not (results / name).exists()]
    if missing:
        started = results / "config.json"  # the whole config, wherever the file lies that it was read from
        config = started if started.exists() else f"config/{results.name}.yaml"
        raise SecateurError(
            f"{results}: not a complete run, without {', '.join(missing)}. Finish it first: "
            f"snakemake --cores all --configfile {config}"
        )
    temporary = output.with_name(f".{output.name}.publishing")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for name in (*needed, *(name for name in WHERE_THERE if (results / name).exists())):
            if (results / name).is_dir():
                shutil.copytree(results / name, temporary / name, ignore=shutil.ignore_patterns(".*"))
            else:
                shutil.copyfile(results / name, temporary / name)
        shutil.copyfile(shipped.find(CLAIMS), temporary / CLAIMS.name)
        manifest.write(temporary)
        shutil.rmtree(output, ignore_errors=True)
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sum(path.is_file() for path in output.rglob("*"))
