"""Builds the site: gathers the repository's pages, writes the reference, runs Sphinx with warnings as errors.

    python docs/site/build.py [--output build/site] [--published published]

The pages stay where readers of the repository find them. Here they are copied side by side, their links turned to
where the pages are now, and files that they link to (configs, examples) copied along. A link or an anchor that leads
nowhere ends the build. Nothing is fetched.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import reference

from secateur.errors import SecateurError
from secateur.review import leaderboard

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "docs" / "site"
BESIDE = {
    "README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md", "config/README.md": "configs.md",
}  # fmt: skip
"""Pages that lie outside docs/ → their name on the site."""
BOARD = """\
# Leaderboard

What published runs have measured: one row per criterion, network, dataset, branch, remedy and number of reference
images per class. The accuracy is that of the pruned networks, averaged over the pruning rate; the interval is for its
mean over seeds. Rows of one network and dataset compare criteria; rows of different runs also differ in what the
runs' configs differ in. Every run here passes `secateur published check`.
[How a run is added](reproducing.md#publishing-a-run).

```{raw} html
%s
```
"""
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]*)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^(```|~~~|:::)", re.MULTILINE)


def pages() -> dict[Path, Path]:
    """Page in the repository → page on the site, both relative to their roots."""
    found = {Path(source): Path(name) for source, name in BESIDE.items()}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        inside = path.relative_to(ROOT / "docs")
        found[path.relative_to(ROOT)] = inside.relative_to("site") if inside.parts[0] == "site" else inside
    return found


def gather(target: Path, published: Path) -> None:
    """Write all pages to `target`, with the files that they link to, the reference and the board of published runs."""
    known = pages()
    for source, page in known.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (target / page).write_text(turned(text, source, page, known, target), encoding="utf-8")
    for name, text in reference.pages().items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, encoding="utf-8")
    board = leaderboard.read(published)
    links = {run: f"runs/{run}.html" for run in board.runs if (published / run / "report.html").exists()}
    (target / "extra" / "runs").mkdir(parents=True)
    for run, link in links.items():
        shutil.copyfile(published / run / "report.html", target / "extra" / link)
    piece = leaderboard.page(board, ROOT / "report" / "leaderboard.html.j2", links)
    (target / "leaderboard.md").write_text(BOARD % piece, encoding="utf-8")
    shutil.copy2(OWN / "conf.py", target)


def turned(text: str, source: Path, page: Path, known: dict[Path, Path], target: Path) -> str:
    """`text` of the page `source` with its links as they must be on the site's `page`; code blocks stay as they are.

    A link to another page leads to that page on the site, one to any other file of the repository to a copy of it.
    """

    def link(match: re.Match[str]) -> str:
        before, path, anchor, after = match[1], match[2], match[3] or "", match[4]
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        place = Path(os.path.normpath(source.parent / path))
        if place in known:
            goal = known[place]
        elif (ROOT / place).is_file():
            goal = Path("files") / place
            (target / goal).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / place, target / goal)
        else:
            return match[0]
        return f"{before}{os.path.relpath(goal, page.parent)}{anchor}{after}"

    parts, inside, lines = [], False, []
    for line in text.splitlines(keepends=True):
        if FENCE.match(line):
            if not inside:
                parts.append(LINK.sub(link, "".join(lines)))
                lines = [line]
            else:
                parts.append("".join([*lines, line]))
                lines = []
            inside = not inside
        else:
            lines.append(line)
    parts.append("".join(lines) if inside else LINK.sub(link, "".join(lines)))
    return "".join(parts)


def main() -> int:
    """Build the site; the exit code is Sphinx's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site", help="folder of the site")
    parser.add_argument("--published", type=Path, default=ROOT / "published", help="folder of the published runs")
    given = parser.parse_args()
    output = given.output.resolve()
    gathered = output.with_name(f"{output.name}.pages")
    for folder in (gathered, output):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        gather(gathered, given.published)
    except SecateurError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "-b", "html"]
    done = subprocess.run([*command, str(gathered), str(output)], check=False)
    if done.returncode == 0:
        print(f"wrote {output}/index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
