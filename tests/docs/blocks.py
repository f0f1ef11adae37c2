"""The fenced blocks of README and docs, and where each is run (blocks.yaml beside this file)."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml

from secateur.config import REPOSITORY

RUN = ("sh", "python", "yaml", "toml")
"""Languages of blocks that are to be typed or saved; a block without one shows what is printed."""
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("secateur", "snakemake", "make", "dvc", "pip", "pytest", "python", "git")


@dataclass(frozen=True)
class Block:
    """A block of a page: its language and its text without the indentation of the list that it stands in."""

    page: str
    language: str
    text: str

    @property
    def begins(self) -> str:
        """Its first line without comment and spaces at the end: with the page, its name in blocks.yaml."""
        return self.text.splitlines()[0].partition("  #")[0].strip()

    def commands(self) -> list[list[str]]:
        """The words of each command, continued lines put together, comments and placeholders left as they are."""
        joined = self.text.replace("\\\n", " ")
        lines = (part for line in joined.splitlines() for part in line.split("&&"))
        found = [shlex.split(line, comments=True) for line in lines]
        return [words for words in found if words]


def pages() -> list[Path]:
    """README, the pages beside it and all of docs/."""
    outside = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md")]
    return [*outside, *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks() -> list[Block]:
    """Every fenced block, in the order of the pages."""
    found = []
    for path in pages():
        page = path.relative_to(REPOSITORY).as_posix()
        for indent, language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
            lines = [line.removeprefix(indent) for line in text.splitlines()]
            found.append(Block(page, language, "\n".join(lines)))
    return found


def table() -> dict[tuple[str, str], dict[str, str]]:
    """Page and beginning of a block → `run`: what runs it, or `not_run`: why nothing does."""
    listed = yaml.safe_load((Path(__file__).parent / "blocks.yaml").read_text(encoding="utf-8"))
    found = {(page, entry["begins"]): entry for page, entries in listed.items() for entry in entries}
    assert len(found) == sum(map(len, listed.values())), "a block is listed twice"
    return found
