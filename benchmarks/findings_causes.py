"""What docs/findings.md says of causes: layer or filter, and what of a lead is left after a repair without training.

Tables are read from a run's statistics (docs/decomposition.md, docs/remedies.md); the sentences from the tables as they
stand in the page, as in findings_sentences.py.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from findings_tables import LEVEL, Table, claims, number, signed, verdict

from secateur.analysis.tables import in_order
from secateur.repair import NONE

PARTS, REPAIRED, JUDGED = "criterion, part", "criterion, repaired by", "claim, criterion: repaired by"
WHERE, WHICH = "where", "which"
FLOOR = "random"


def all_of(run: Path) -> list[Table]:
    """The tables of a run that has a decomposition or remedies: of each what there is."""
    found = []
    if (run / "statistics" / "decomposition.csv").exists():
        found.append(parts(run))
    if (run / "statistics" / "remedies.csv").exists():
        found += [repaired(run), judged(run)]
    return found


def parts(run: Path) -> Table:
    """A row a criterion; two columns a study: points of its lead that are *where* and *which*, with their intervals.

    Bold where the test, corrected for the criteria, finds it.
    """
    found = _of_most_images(run, "decomposition")
    found = found[found["at"].isna() & found["effect"].isin([WHERE, WHICH])]
    columns: dict[str, dict[str, str]] = {}
    for (study, effect), rows in found.groupby(["study", "effect"], sort=False):
        columns[f"{study}: {effect}"] = {row["criterion"]: _points(row) for row in rows.to_dict("records")}
    return Table(PARTS, list(dict.fromkeys(found["criterion"])), dict(sorted(columns.items())))


def repaired(run: Path) -> Table:
    """A row a criterion; a column a study and remedy: mean accuracy over the rates, with its interval."""
    found = _of_most_images(run, "remedies")
    columns: dict[str, dict[str, str]] = {}
    for (study, remedy), rows in found.groupby(["study", "remedy"], sort=False):
        columns[f"{study}: {remedy}"] = {row["criterion"]: _percent(row) for row in rows.to_dict("records")}
    first = found[found["remedy"] == NONE].groupby("criterion")["mean"].mean()
    return Table(REPAIRED, [str(name) for name in first.sort_values(ascending=False, kind="stable").index], columns)


def judged(run: Path) -> Table:
    """A row a claim, criterion and remedy, a column a study: the verdict on networks that were repaired so."""
    stated = claims()
    ours = [
        f"{claim['id']}{end}" for claim in stated["claims"] if claim.get("branch") == "fewshot" for end in ("", "s")
    ]
    found = pd.read_csv(run / "statistics" / "verdicts.csv")
    found = found[found["scope"].eq("study") & found["n"].gt(0) & found["criterion"].isin(stated["criteria"])]
    found = found[found["claim"].isin(ours)]
    columns: dict[str, dict[str, str]] = {}
    for row in found.to_dict("records"):
        columns.setdefault(row["study"], {})[f"{row['claim']}, {row['criterion']}: {row['remedy']}"] = verdict(row)
    order = sorted({name for cells in columns.values() for name in cells}, key=_unrepaired_first)
    return Table(JUDGED, order, columns)


def of_parts(table: Table) -> Iterator[str]:
    """To whom layers and filters are worth most, and whose choice of filters is worth anything at all."""
    for study in _studies(table):
        where, which = ({name: number(cell) for name, cell in table.columns[f"{study}: {effect}"].items()}
                        for effect in (WHERE, WHICH))  # fmt: skip
        filters = [f"`{name}`" for name in which if name != FLOOR and which[name] > where[name]]
        others = sum(name != FLOOR for name in which)
        yield (
            f"{study}: how many each layer loses is worth most to {_first(where)}, which filters these are to "
            f"{_first(which)}. The filters are worth more than the layers to {len(filters)} of {others} criteria"
            f"{': ' + ', '.join(filters) if filters else ''}."
        )
        sides: dict[str, list[str]] = {"above 0": [], "below 0": [], "0 within it": []}
        for name, cell in table.columns[f"{study}: {WHICH}"].items():
            low, high = (number(bound) for bound in cell.partition("[")[2].rstrip("]*").split(", "))
            sides["above 0" if low > 0 else "below 0" if high < 0 else "0 within it"].append(f"`{name}`")
        said = "; ".join(f"{words}: {', '.join(names)}" for words, names in sides.items() if names)
        yield f"{study}, the interval of *which*: {said}."


def of_repairs(table: Table) -> Iterator[str]:
    """What of the distance between criteria a repair leaves, and where repaired chance stands beside the best."""
    yield from _against_chance(table)
    for study in _studies(table):
        means = {
            name.partition(": ")[2]: {row: number(cell) for row, cell in cells.items()}
            for name, cells in table.columns.items() if name.startswith(f"{study}: ")
        }  # fmt: skip
        spreads = ", ".join(
            f"{max(found.values()) - min(found.values()):.1f} ({remedy}, highest {_first(found)})"
            for remedy, found in means.items()
        )
        yield f"{study}: points between the highest and the lowest criterion: {spreads}."
        if FLOOR in means[NONE] and len(means) > 1:
            best = max(means[NONE].values())
            said = [
                f"{found[FLOOR]:.1f} % by {remedy}, {'above' if found[FLOOR] > best else 'below'} it"
                for remedy, found in means.items() if remedy != NONE
            ]  # fmt: skip
            yield (
                f"{study}: the highest without repair is {_first(means[NONE])}; units taken at random and repaired "
                f"have {'; '.join(said)} ({means[NONE][FLOOR]:.1f} % unrepaired)."
            )


def _against_chance(table: Table) -> Iterator[str]:
    """In how many studies a repair of filters taken at random does more than any choice of them without it."""
    studies = [study for study in _studies(table) if FLOOR in table.columns[f"{study}: {NONE}"]]
    best = {study: max(map(number, table.columns[f"{study}: {NONE}"].values())) for study in studies}
    remedies = dict.fromkeys(name.partition(": ")[2] for name in table.columns if not name.endswith(f": {NONE}"))
    for remedy in remedies:
        cells = {study: table.columns.get(f"{study}: {remedy}", {}).get(FLOOR) for study in studies}
        repaired = {study: number(cell) for study, cell in cells.items() if cell is not None}
        above = [study for study in repaired if repaired[study] > best[study]]
        yield (
            f"Units taken at random and then repaired by {remedy} keep more than those that the best criterion "
            f"chose, unrepaired, in {len(above)} of {len(repaired)} studies{': ' * bool(above)}{', '.join(above)}."
        )


def of_judged(table: Table) -> Iterator[str]:
    """How many studies support each claim with each remedy."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for row in table.rows:
        claim, _, remedy = row.partition(": ")
        found = Counter(cells[row].partition(":")[0] for cells in table.columns.values() if row in cells)
        counts.setdefault(claim, {})[remedy] = found
    for claim, by_remedy in counts.items():
        name, criterion = claim.split(", ")
        said = "; ".join(
            f"{remedy}: {', '.join(f'{number} {what}' for what, number in sorted(found.items()))}"
            for remedy, found in sorted(by_remedy.items(), key=lambda item: item[0] != NONE)
        )
        yield f"{name} for `{criterion}`, studies by what is done after cutting: {said}."


SENTENCES = {PARTS: [of_parts], REPAIRED: [of_repairs], JUDGED: [of_judged]}
"""Heading of a table's first column → what writes its sentences."""
NOTE = (
    "Points of mean accuracy over the rates; where + which is the lead over the same share of every layer at random "
    "([how](decomposition.md)). Below: mean accuracy in per cent after a repair on the reference images, without "
    "labels or training ([remedies](remedies.md)), and the verdicts on the repaired networks. Intervals are exact, "
    "over seeds."
)


def _unrepaired_first(row: str) -> tuple[str, bool, str]:
    claim, _, remedy = row.partition(": ")
    return claim, remedy != NONE, remedy


def _studies(table: Table) -> list[str]:
    return list(dict.fromkeys(name.partition(":")[0] for name in table.columns))


def _first(found: dict[str, float]) -> str:
    """Who has the largest number, all of them where several have, with it."""
    value = max(found.values())
    names = " and ".join(f"`{name}`" for name, mean in found.items() if mean == value)
    return f"{names} ({value:.1f})"


def _points(row: dict[str, Any]) -> str:
    text = f"{signed(100 * row['mean'])} [{signed(100 * row['low'])}, {signed(100 * row['high'])}]"
    return f"**{text}**" if row["wilcoxon_holm"] < LEVEL else text


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['mean']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _of_most_images(run: Path, name: str) -> pd.DataFrame:
    found = pd.read_csv(run / "statistics" / f"{name}.csv", dtype={"samples_per_class": str})
    return found[found["samples_per_class"] == in_order(found["samples_per_class"])[-1]].copy()
