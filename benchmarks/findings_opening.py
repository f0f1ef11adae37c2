"""What README opens with: the finding of the published networks, in sentences from the tables of docs/findings.md.

And the table that stands beside it there: what the two papers claim, and what the runs of each kind of data found.
"""

import re
from collections.abc import Callable, Iterator

from findings_causes import REPAIRED
from findings_sentences import bounds
from findings_tables import CHANCE, UNPRUNED, Table, claims, number

from secateur.repair import NONE

RUN = "published"
"""The run that README opens with."""
FLOOR, REPAIR = "random", "least_squares"
MARKS = ("<!-- finding -->", "<!-- /finding -->")
CLAIM, PAPER, REVISITED = "claim", "Yeom et al. 2021", "Hatefi et al. 2024"
CLAIMED = {
    "C1": (
        "with few images and no training, relevance keeps clearly more than weight, gradient and Taylor",
        "relevance keeps more than earlier settings of it once its rules are optimised for pruning",
    ),
    "C2": ("with retraining it is as good or better", "no claim: nothing is retrained"),
    "C3": (
        "the network gets smaller while accuracy is kept or improved",
        "more can go at the same accuracy; of transformers more than of convolutional networks",
    ),
    "C4": ("it costs about a gradient", "no claim"),
    "C5": ("it has nothing to tune", "the opposite: its rules are tuned, and that is the point"),
}
"""Claim → what the two papers say, in this project's words: Pattern Recognition 115, 107899; arXiv 2408.12568."""


def side_by_side(verdicts: dict[str, list[dict[str, str]]]) -> Table:
    """A row per claim: what the papers say, and how often it came out how, by heading of the page.

    Args:
        verdicts: heading → of each of its studies, claim and criterion → verdict with its numbers.
    """
    criterion = claims()["criteria"][0]
    columns: dict[str, dict[str, str]] = {
        PAPER: {claim: words for claim, (words, _) in CLAIMED.items()},
        REVISITED: {claim: words for claim, (_, words) in CLAIMED.items()},
    }
    for heading, studies in verdicts.items():
        said = {}
        for claim in CLAIMED:
            parts = []
            for name, words in ((claim, ""), (f"{claim}s", "strongest rivals: ")):
                found = [cells[f"{name}, {criterion}"] for cells in studies if f"{name}, {criterion}" in cells]
                counts = {kind: sum(cell.partition(":")[0] == kind for cell in found)
                          for kind in ("supported", "contradicted", "undecided")}  # fmt: skip
                text = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
                parts += [words + text] if text else []
            if parts:
                said[claim] = "; ".join(parts)
        columns[heading] = said
    columns = {name: cells for name, cells in columns.items() if cells}
    return Table(CLAIM, list(CLAIMED), columns, words=True)


def sentences(found: dict[str, Table]) -> Iterator[str]:
    """The finding, from the tables of the run: who keeps most, what became of the claim, what repair does."""
    ours = claims()["criteria"][0]
    yield _of_choice(found["criterion"], ours)
    verdicts = found["claim, criterion"]
    published, strongest = (
        " and ".join(
            _verdict(cells[f"{claim}, {ours}"], study) for study, cells in verdicts.columns.items()
        ) for claim in ("C1", "C1s")
    )  # fmt: skip
    yield (
        f"The paper's claim, that `{ours}` then clearly outperforms weight, gradient and Taylor, is {published}; "
        f"against the strongest form of each rival it is {strongest}."
    )
    yield _of_repair(found[REPAIRED])


def _of_choice(means: Table, ours: str) -> str:
    """Who is first, or has an interval that overlaps that of the first, in every network; and what others keep."""
    columns = {
        name.partition(":")[0]: {row: cell for row, cell in cells.items() if not row.startswith("_")}
        for name, cells in means.columns.items() if name.endswith(": not retrained")
    }  # fmt: skip
    first = [name for name in means.rows if all(_reaches_the_first(cells, name) for cells in columns.values())]
    if not first:
        first = list(dict.fromkeys(max(cells, key=lambda name: number(cells[name])) for cells in columns.values()))
    apart = " and their intervals overlap" if len(first) > 1 else ""

    def kept(name: str, write: Callable[[str], str]) -> str:
        return ", ".join(f"{write(cells[name])} % on {study}" for study, cells in columns.items())

    best = "; ".join(f"`{name}` {kept(name, str)}" for name in first)
    others = "; ".join(
        f"{words} {kept(name, lambda cell: cell.partition(' ')[0])}"
        for name, words in (
            (ours, f"`{ours}`, the paper's criterion,"),
            ("weight", "`weight`"),
            (FLOOR, "filters taken at random"),
        )
        if name not in first and all(name in cells for cells in columns.values())
    )
    named = " and ".join(f"`{name}`" for name in first)
    return (
        f"Where nothing is trained after the cut, {named} keep{'s' * (len(first) == 1)} most accuracy{apart}: {best}. "
        f"Beside: {others}."
    )


def _reaches_the_first(cells: dict[str, str], name: str) -> bool:
    """Whether a criterion's interval reaches that of the highest mean."""
    if name not in cells:
        return False
    highest = max(cells, key=lambda other: number(cells[other]))
    return name == highest or bounds(cells[name])[1] >= bounds(cells[highest])[0]


def _verdict(cell: str, study: str) -> str:
    """Such as "supported on net (+5.0 [+4.0, +6.0] points against weight)"."""
    verdict, _, rest = cell.partition(": ")
    numbers, _, rival = rest.rpartition(", ")
    return f"{verdict} on {study} ({numbers} points against `{rival}`)"


def _of_repair(repaired: Table) -> str:
    said = []
    for study in dict.fromkeys(name.partition(":")[0] for name in repaired.columns):
        before, after = (
            {name: number(cell) for name, cell in repaired.columns[f"{study}: {remedy}"].items()}
            for remedy in (NONE, REPAIR)
        )
        spread = [max(cells.values()) - min(cells.values()) for cells in (before, after)]
        best = max(before.values())
        side = "more" if after[FLOOR] > best else "less"
        said.append(
            f"on {study} filters taken at random keep {after[FLOOR]:.1f} % with it, {side} "
            f"than the best choice without ({best:.1f}), and the criteria lie {spread[1]:.1f} points apart instead of "
            f"{spread[0]:.1f}"
        )
    return f"A repair by least squares on the same images needs no labels and no training: {'; '.join(said)}."


def scope(text: str) -> str:
    """What the numbers are, and on what they rest: from the tables and the note under them."""
    found = re.search(r"n = (\d+) seeds; (\d+) reference images per class", text)
    assert found is not None
    return (
        "Mean accuracy in per cent over the rates with its exact 95 % interval over n = "
        f"{found[1]} draws of {found[2]} images per class; before pruning {{}}; chance {{}}. One network of each kind: "
        "the intervals are about the draw of images, and nothing here is about other networks or data."
    )


def opening(text: str, found: dict[str, Table]) -> str:
    """The part of README between its marks.

    Args:
        text: the section of the run in docs/findings.md; found: its tables.
    """
    means = found["criterion"]
    columns = {name.partition(":")[0]: cells for name, cells in means.columns.items() if UNPRUNED in cells}
    before = ", ".join(f"{cells[UNPRUNED]} ({study})" for study, cells in columns.items())
    chance = next(iter(columns.values()))[CHANCE]
    lines = [f"- {sentence}" for sentence in sentences(found)]
    return "\n".join([
        MARKS[0], *lines, "",
        "![Accuracy against filters removed, as cut and as repaired](docs/finding.png)", "",
        f"{scope(text).format(before, chance)} All numbers, with the runs on other photographs and on digits: "
        "[docs/findings.md](docs/findings.md); `make spot-check` measures some of them again.",
        MARKS[1],
    ])  # fmt: skip


def with_opening(readme: str, block: str) -> str:
    """README with the block between its marks put in place of what stands there."""
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return before + block + after
