"""What others get of a run: its tables, statistics, figures and report, copied out of the workflow's reach.

Published files lie in published/<run>/, never in results/: a file at a rule's output path would make Snakemake skip the
work behind it, or redo an arbitrary part of it.
"""

import shutil
from pathlib import Path

from secateur import shipped
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.provenance import CLAIMS, config_hash
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
PICTURES, PAGE = "figures", "report.html"
"""The figures are in the page too."""
MOST_NUMBERS, MOST_PAGE = 10_000_000, 6_000_000
"""Bytes of tables and statistics together, and of the page, that a repository keeps in git."""
KEPT = ("measures.csv", "intervals.csv", "verdicts.csv", "metrics.json")
"""Statistics that stay in git whatever their size: the leaderboard, `secateur compare` and `dvc plots` read them."""


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
        _forget_mirror(temporary)
        manifest.write(temporary, large(temporary))
        shutil.rmtree(output, ignore_errors=True)
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sum(path.is_file() for path in output.rglob("*"))


def _forget_mirror(folder: Path) -> None:
    """Take the folder of archives out of a config that still names it: where bytes lay is no part of what was run.

    The hash of the config is then another, in the provenance and on the page too.
    """
    config = read_json(folder / "config.json")
    mirror = config.pop("mirror", None)
    if mirror is None:
        return
    known, page = read_json(folder / "provenance.json"), folder / PAGE
    before, after = known["config_hash"], config_hash(config)
    write_json(folder / "config.json", config)
    write_json(folder / "provenance.json", known | {"config_hash": after})
    shown = page.read_text(encoding="utf-8").replace(before, after).replace(f"mirror: {mirror}\n", "")
    page.write_text(shown, encoding="utf-8")


def large(folder: Path) -> list[str]:
    """What of a published run is too large for git, and can be missing in a clone: files and folders in `folder`.

    Figures and networks always, a page of more than `MOST_PAGE` bytes, and of tables and statistics what goes beyond
    `MOST_NUMBERS`: first the tables' CSV copies, as parquet has the same rows, then statistics, the largest first.
    """
    names = [name for name in (PICTURES, *NETWORKS) if (folder / name).is_dir()]
    if (folder / PAGE).stat().st_size > MOST_PAGE:
        names.append(PAGE)
    numbers = {path: path.stat().st_size for part in ("tables", "statistics") for path in (folder / part).glob("*.*")}
    beyond = sum(numbers.values()) - MOST_NUMBERS
    spare = [path for path in numbers if path.suffix == ".csv" and path.name not in KEPT]
    for path in sorted(spare, key=lambda path: (path.parent.name != "tables", -numbers[path], path.name)):
        if beyond <= 0:
            break
        names.append(path.relative_to(folder).as_posix())
        beyond -= numbers[path]
    return names


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return (
        path.stat().st_size if path.is_file() else sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    )
