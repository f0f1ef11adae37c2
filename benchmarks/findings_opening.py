"""What README opens with: the finding of the published networks, in sentences from the tables of docs/findings.md.

And the table that stands beside it there: what the two papers claim, and what the runs of each kind of data found.
"""

import re
from collections.abc import Iterator

from findings_causes import REPAIRED
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
    means, verdicts, repaired = found["criterion"], found["claim, criterion"], found[REPAIRED]
    ours = claims()["criteria"][0]
    studies = [name.partition(":")[0] for name in means.columns if name.endswith(": not retrained")]
    said = []
    for study in studies:
        cells = {name: cell for name, cell in means.columns[f"{study}: not retrained"].items() if name[0] != "_"}
        first, *_ = sorted(cells, key=lambda name: -number(cells[name]))
        rest = [name for name in ("taylor_logit", ours, "weight", FLOOR) if name in cells and name != first]
        others = ", ".join(f"`{name}` {cells[name].partition(' ')[0]}" for name in rest)
        said.append(f"on {study} `{first}` ({cells[first]} %, against {others})")
    yield f"Who keeps most accuracy when nothing is trained after the cut: {'; '.join(said)}."
    judged = [f"{verdicts.columns[study][f'C1, {ours}'].replace(': ', ' (', 1)}) on {study}" for study in studies]
    strict = [f"{verdicts.columns[study][f'C1s, {ours}'].replace(': ', ' (', 1)}) on {study}" for study in studies]
    yield (
        f"The paper's claim that its criterion, `{ours}`, then clearly outperforms weight, gradient and Taylor is "
        f"{' and '.join(judged)}; against the strongest form of each rival it is {' and '.join(strict)} "
        "(points, with the rival that decides)."
    )
    said = []
    for study in studies:
        before, after = (
            {name: number(cell) for name, cell in repaired.columns[f"{study}: {remedy}"].items()}
            for remedy in (NONE, REPAIR)
        )
        spread = [max(cells.values()) - min(cells.values()) for cells in (before, after)]
        side = "more" if after[FLOOR] > max(before.values()) else "less"
        said.append(
            f"on {study} filters taken at random keep {after[FLOOR]:.1f} %, {side} than the best choice without it, "
            f"and the criteria lie {spread[1]:.1f} points apart instead of {spread[0]:.1f}"
        )
    yield f"After a repair by least squares on the same images, without labels or training: {'; '.join(said)}."


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
