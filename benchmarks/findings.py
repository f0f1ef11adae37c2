"""What the runs of config/ found: all of docs/findings.md and what README opens with, from what each run wrote.

    snakemake --cores all --configfile config/zoo.yaml     # and the others that the page names
    python benchmarks/findings.py [--results results] [--only zoo,ablations] [--write]

A run that is not there keeps the tables that the page has. The sentences are written anew in either case, from the
tables as they stand in the page; nothing in it is written by hand but what `PAGE` holds, which has no numbers.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import findings_causes as causes
import findings_opening as opening
import findings_sentences as sentences
import findings_tables as tables
from finding_picture import draw
from findings_tables import Table

from secateur.config import REPOSITORY
from secateur.files import read_json, write_text

FILE, README = REPOSITORY / "docs" / "findings.md", REPOSITORY / "README.md"

HEAD = """# Findings

What the runs of `config/` found on this project's own machine. The networks and images are small: read the tables as
what the method shows, and as what to expect when you run the same; they say nothing about ImageNet. The page is written
by

```sh
snakemake --cores all --configfile config/zoo.yaml        # and the others named below
python benchmarks/findings.py --write
```

from each run's own statistics, its tables as well as the sentences below them; the run's `report.html` has the curves,
the tests and what else is behind it. A sentence compares the numbers shown and tests nothing; the verdicts are the
tests.

Means are those of accuracy over the rates, in per cent, with their exact intervals over seeds. Names: `_raw` is the
criterion without normalisation within layers; others are explained in the config.
"""

GLANCE = """## At a glance

What Yeom et al. claim of their criterion (`lrp` here), what the paper that followed it claims (Hatefi et al., arXiv
2408.12568; its rules are not run here), and verdicts on `lrp`, counted over the studies of the runs below: against each
rival as published, and in its strongest form. Runs may share a network.
"""

PAGE = {
    "Published networks": {
        "published": "Two residual networks for CIFAR as others trained and published them, pruned within their "
        "blocks and not trained again; seeds differ in the draw of reference images alone (`config/published.yaml`).",
    },
    "Photographs": {
        "scene15_local": "A small residual network, pretrained and transferred on photographs "
        "(`config/scene15_local.yaml`).",
        "cifar10_local": "A small chain, trained on photographs (`config/cifar10_local.yaml`).",
    },
    "Transformers": {
        "transformers": "Heads and neurons of a small ViT and a small Swin, pretrained and transferred on photographs; "
        "a rate takes that share of each kind (`config/transformers.yaml`).",
    },
    "Digits and photographs": {
        "causes": "Why one criterion keeps more than another: how many filters of each layer it takes, or which ones; "
        "and what of its lead outlives a repair without training (`config/causes.yaml`).",
    },
    "Digits": {
        "demo": "What runs without any option, in minutes (`config/demo.yaml`).",
        "zoo": "The criteria of this project beside the oracle, the true change of the loss when a unit is removed "
        "alone; ρ is Spearman's rank correlation with it (`config/zoo.yaml`). The oracle is right about one unit; two "
        "filters that stand in for each other both look superfluous to it, and go together. Regret is what the joint "
        "oracle, which takes units out one after the other, keeps more than a criterion, in points. It is a "
        "greedy search that measures each unit beside those gone before it, on the reference images and without "
        "retraining; whatever is left it measures now and then, in between only what promises to be missed little. So "
        "it bounds nothing: a regret below zero is a criterion that keeps more.",
        "first_order": "Gradient and Taylor in their forms: target × absolute value × normalisation, beside LRP "
        "(`config/first_order.yaml`).",
        "ablations": "One choice changed in `lrp`, `taylor` and `weight` as they are (`config/ablations.yaml`); an "
        "entry that names two choices changes both.",
    },
}
"""Heading → run → what stands above its tables: the only words that are not worked out, so no numbers in them."""

TAIL = "What rule, split at additions and aggregation do to LRP on photographs is in [relevance](relevance.md#rules).\n"


def measured(run: Path) -> str:
    """The tables of a run with a note under each, as they go into the page."""
    if run.name == "ablations":
        return f"{tables.choices(run).markdown()}\n\n{_choices_note(run)}"
    means, verdicts = tables.means(run), tables.verdicts(run)
    notes = (
        f"Mean accuracy in per cent over the rates with its exact 95 % interval over {tables.blocks(run)}. "
        f"{tables.made(run)}"
    )
    parts = [means.markdown(), notes]
    if run.name == "first_order":
        entries: list[dict[str, Any]] = read_json(run / "config.json")["criteria"]
        parts += [
            tables.factors(means, entries).markdown(),
            "Points of mean accuracy: a level of one choice minus the level that the papers compare, averaged over the "
            "levels of the other two.",
        ]
    if verdicts.rows:
        parts += [
            verdicts.markdown(),
            "The claims of `config/claims.yaml`; with an s: against every form of each rival that the run has. Points "
            "of accuracy (costs: gradient passes) with the interval of the test, and the rival or form that decides.",
        ]
    if why := causes.all_of(run):
        parts += [causes.NOTE, *(table.markdown() for table in why)]
    return "\n\n".join(parts)


def worked_out(text: str) -> list[str]:
    """The sentences for tables as they stand in the page."""
    writers: dict[str, list[Callable[[Table], Iterator[str]]]] = {
        "criterion": [sentences.of_means],
        "criterion, choice: level − level": [sentences.of_factors],
        "claim, criterion": [sentences.of_verdicts],
        "criterion, choice": [sentences.of_choices],
        **causes.SENTENCES,
    }
    found = tables.read_back(text)
    if "criterion, choice: level − level" in found:
        writers["criterion"].append(sentences.of_families)
    return [sentence for first, table in found.items() for write in writers[first] for sentence in write(table)]


def section(text: str) -> str:
    """Tables and notes (what `text` has before any list), and below them the sentences for them."""
    kept = text.partition("\n\n- ")[0].strip()
    return kept + "\n\n" + "\n".join(f"- {sentence}" for sentence in worked_out(kept))


def sections(page: str) -> dict[str, str]:
    """Run → what the page has of it."""
    return {name: text.strip() for name, text in re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", page, re.DOTALL)}


def page(found: dict[str, str]) -> str:
    """The whole page, of the runs that are `found`: run → its tables and notes, with or without sentences."""
    parts = [HEAD, *glance(found)]
    for heading, runs in PAGE.items():
        here = [name for name in runs if name in found]
        parts += [f"## {heading}\n"] * bool(here)
        for name in here:
            parts.append(f"### {name}\n\n{runs[name]}\n\n<!-- {name} -->\n{section(found[name])}\n<!-- /{name} -->\n")
    return "\n".join([*parts, TAIL])


def glance(found: dict[str, str]) -> Iterator[str]:
    """What the papers claim beside what the runs under each heading found; nothing without verdicts."""
    verdicts = {
        heading: [
            cells
            for name in runs if name in found
            for cells in tables.read_back(found[name]).get("claim, criterion", Table("", [], {})).columns.values()
        ]
        for heading, runs in PAGE.items()
    }  # fmt: skip
    if any(verdicts.values()):
        yield f"{GLANCE}\n{opening.side_by_side(verdicts).markdown()}\n"


def _choices_note(run: Path) -> str:
    return (
        f"The variant minus the criterion as it is, in points of mean accuracy over the rates; "
        f"{tables.blocks(run, 'choices')}. Bold: Wilcoxon's signed-rank test, corrected by Holm for the choices of the "
        f"column, is below {tables.LEVEL:g}. In the last rows, the accuracies that these lie between, in per cent. "
        f"{tables.made(run)}"
    )


def main() -> None:
    """Print the tables and sentences of each run that is there, and with --write put all into docs/findings.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [name for runs in PAGE.values() for name in runs]
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder of the runs")
    parser.add_argument("--only", default=",".join(names), help="runs, by comma")
    parser.add_argument("--write", action="store_true", help=f"write the page {FILE.name}")
    given = parser.parse_args()
    found, made = sections(FILE.read_text(encoding="utf-8")), []
    for name in given.only.split(","):
        if name not in names:
            parser.error(f"--only: {name!r} is none of {', '.join(names)}")
        run = given.results / name
        if not (run / "provenance.json").exists():
            print(f"{run}: not run. snakemake --cores all --configfile config/{name}.yaml\n")
            continue
        found[name] = measured(run)
        made.append(name)
        print(f"{name}\n\n{section(found[name])}\n")
    if given.write:
        write_text(FILE, page(found))
        if opening.RUN in found:
            block = opening.opening(found[opening.RUN], tables.read_back(found[opening.RUN]))
            write_text(README, opening.with_opening(README.read_text(encoding="utf-8"), block))
    if given.write and opening.RUN in made:
        draw(given.results / opening.RUN, REPOSITORY / "docs" / "finding.png")


if __name__ == "__main__":
    main()
