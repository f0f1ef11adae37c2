"""The sentences of docs/findings.md: every number and every superlative is worked out from the table above it.

Each function takes tables as they stand in the page (`findings_tables.read_back`), so that what a reader sees is all
that a sentence can know, and a test can write them again from the page alone.
"""

import math
from collections.abc import Iterator

from findings_tables import AS_LONG, BRANCHES, CHANCE, COST, ORACLE, REGRET, UNPRUNED, Table, number, signed

PAPERS = "lrp"
MEANS = tuple(BRANCHES.values())
"""How the names of columns of means end."""


def of_means(table: Table) -> Iterator[str]:
    """What the table of means says: who leads where, how far apart, where the paper's criterion and chance stand."""
    columns = {name: _criteria(cells) for name, cells in table.columns.items() if name.endswith(MEANS)}
    for study in dict.fromkeys(name.partition(":")[0] for name in columns):
        yield _ends(study, {name: columns[name] for name in columns if name.startswith(f"{study}:")}, table)
    yield _near(columns, table)
    if any(PAPERS in cells for cells in columns.values()):
        places = (
            f"{_place(cells, PAPERS)} of {len(cells)} ({name})" for name, cells in columns.items() if PAPERS in cells
        )
        yield f"`{PAPERS}`, the paper's criterion, by its mean: {'; '.join(places)}."
    yield from _unnormalised(columns)
    yield from _floor(columns)
    if COST in table.columns:
        cost = _criteria(table.columns[COST])
        least, most = min(cost, key=lambda name: cost[name]), max(cost, key=lambda name: cost[name])
        yield (
            f"Ranking once takes from {cost[least]:.1f} (`{least}`) to {cost[most]:.1f} (`{most}`) gradient passes; "
            "small passes among other jobs, [relevance](relevance.md#cost) has large ones alone."
        )
    yield from _oracle(table, columns)
    yield from _regret(table)


def of_families(table: Table) -> Iterator[str]:
    """Which form of each first-order criterion and of LRP has the highest mean, and whether two names are one."""
    for name, cells in table.columns.items():
        if not name.endswith(MEANS):
            continue
        means = _criteria(cells)
        families = dict.fromkeys(criterion.partition("_")[0] for criterion in means)
        leaders = [_highest({one: mean for one, mean in means.items() if one.partition("_")[0] == family})
                   for family in families]  # fmt: skip
        leaders.sort(key=lambda found: -found[1])
        strongest = ", ".join(f"{names} ({mean:.1f} %)" for names, mean in leaders)
        yield f"{name}: the highest form of each family: {strongest}."
    twins = ("lrp_epsilon_logit", "taylor_logit_sample_none")
    pairs = [
        [number(cells[one]) for one in twins] for cells in table.columns.values() if all(one in cells for one in twins)
    ]
    if pairs:
        apart = max(abs(one - other) for one, other in pairs)
        yield f"`{twins[0]}` and `{twins[1]}`, one criterion by two names, differ by at most {apart:.1f} in any column."


def of_factors(table: Table) -> Iterator[str]:
    """Which choice is worth most to gradient and to Taylor."""
    for name, cells in table.columns.items():
        for family in dict.fromkeys(row.partition(",")[0] for row in table.rows):
            own = {row: number(cells[row]) for row in table.rows if row.startswith(f"{family},")}
            most = max(own, key=lambda row: abs(own[row]))
            rest = "; ".join(f"{row.partition(', ')[2]} {signed(own[row])}" for row in own if row != most)
            what = most.partition(", ")[2]
            yield f"`{family}`, {name}: worth most is {what}, {signed(own[most])} points ({rest})."


def of_verdicts(table: Table) -> Iterator[str]:
    """Where a claim that holds against the rivals as published does not against their strongest forms."""
    for study, cells in table.columns.items():
        held, changed = [], []
        for row in table.rows:
            claim, _, criterion = row.partition(", ")
            strong = f"{claim}s, {criterion}"
            if row in cells and strong in cells:
                verdict, other = (cells[one].partition(":")[0] for one in (row, strong))
                text = f"{claim} for `{criterion}` ({verdict})"
                (held if verdict == other else changed).append(
                    text if verdict == other else f"{text[:-1]}, then {other})"
                )
        if held or changed:
            parts = [f"the same verdict: {_listed(held)}"] * bool(held)
            parts += [f"another one: {_listed(changed)}"] * bool(changed)
            yield f"{study}, against each rival as published and against its strongest form: {'; '.join(parts)}."


def of_choices(table: Table) -> Iterator[str]:
    """The largest gain and loss of each branch, and the choices that the corrected test finds everywhere or nowhere."""
    for branch in BRANCHES.values():
        found = {
            (row, name): found
            for name, cells in table.columns.items() if name.endswith(f": {branch}")
            for row, found in _criteria(cells).items()
        }  # fmt: skip
        if found:
            gain, loss = max(found, key=lambda key: found[key]), min(found, key=lambda key: found[key])
            yield (
                f"{branch.capitalize()}, the largest gain is {signed(found[gain])} points (`{gain[0]}`, "
                f"{gain[1].partition(':')[0]}), the largest loss {signed(found[loss])} (`{loss[0]}`, "
                f"{loss[1].partition(':')[0]})."
            )
    every, none, both = "in every column", "in no column", "upwards in one column and downwards in another"
    told: dict[str, list[str]] = {every: [], none: [], both: []}
    for row in (row for row in table.rows if not row.startswith("_")):
        cells = [cells[row] for cells in table.columns.values() if row in cells]
        bold = [cell for cell in cells if cell.startswith("**")]
        if len(bold) == len(cells):
            told[every].append(f"`{row}`")
        if not bold:
            told[none].append(f"`{row}`")
        if {number(cell) > 0 for cell in bold} == {True, False}:
            told[both].append(f"`{row}`")
    for where, rows in told.items():
        yield f"Found by the corrected test {where}: {_listed(rows)}."


def _criteria(cells: dict[str, str]) -> dict[str, float]:
    """Row → number, without the rows that are no criteria."""
    return {row: number(cell) for row, cell in cells.items() if not row.startswith("_")}


def _highest(means: dict[str, float], sign: int = 1) -> tuple[str, float]:
    """Who has the highest (with `sign` −1 the lowest) of the numbers shown, all of them where several are equal."""
    value = sign * max(sign * mean for mean in means.values())
    return " and ".join(f"`{name}`" for name, mean in means.items() if mean == value), value


def _ends(study: str, columns: dict[str, dict[str, float]], table: Table) -> str:
    parts, between = [], []
    for name, means in columns.items():
        (top, highest), (bottom, lowest) = _highest(means), _highest(means, -1)
        parts.append(
            f"{name.partition(': ')[2]}, the highest mean is that of {top} ({highest:.1f} %), the lowest that of "
            f"{bottom} ({lowest:.1f} %), {highest - lowest:.1f} points apart"
        )
        cells = table.columns[name]
        ends = {UNPRUNED: "before pruning", AS_LONG: "trained on as long without pruning", CHANCE: "chance"}
        between += [f"{words} {cells[end]} %" for end, words in ends.items() if end in cells]
    between = list(dict.fromkeys(between))
    return f"{study}: {'; '.join(parts)}{' (' + ', '.join(between) + ')' if between else ''}."


def _near(columns: dict[str, dict[str, float]], table: Table) -> str:
    """Whose intervals reach that of the highest mean."""
    parts = []
    for name, means in columns.items():
        limits = {row: bounds(table.columns[name][row]) for row in means}
        first = max(means, key=lambda row: means[row])
        near = [f"`{row}`" for row in means if row != first and limits[row][1] >= limits[first][0]]
        parts.append(f"{name}: {_listed(near) if len(near) < 6 else f'{len(near)} of the {len(means) - 1} others'}")
    return f"Whose interval overlaps that of the highest mean: {'; '.join(parts)}."


def bounds(cell: str) -> tuple[float, float]:
    """The interval in a cell; without one, nothing is known of how far it reaches."""
    inner = cell.partition("[")[2].rstrip("]")
    low, _, high = inner.replace("−", "-").partition(", ")
    return (float(low), float(high)) if high else (-math.inf, math.inf)


def _unnormalised(columns: dict[str, dict[str, float]]) -> Iterator[str]:
    names = {name for means in columns.values() for name in means if name.endswith("_raw")}
    for name in sorted(names):
        base = name.removesuffix("_raw")
        found = [f"{signed(means[name] - means[base])} ({where})" for where, means in columns.items()
                 if {name, base} <= set(means)]  # fmt: skip
        if found:
            yield f"`{name}` minus `{base}`, the same without normalisation within layers: {'; '.join(found)}."


def _floor(columns: dict[str, dict[str, float]]) -> Iterator[str]:
    below = []
    for name, means in columns.items():
        if "random" in means:
            others = [f"`{row}`" for row, mean in means.items() if mean < means["random"]]
            below.append(f"{_listed(others)} ({name})")
    if below:
        yield f"Below removal at random: {'; '.join(below)}."


def _oracle(table: Table, columns: dict[str, dict[str, float]]) -> Iterator[str]:
    for name, cells in table.columns.items():
        if not name.endswith(ORACLE):
            continue
        study = name.partition(":")[0]
        means = columns[f"{study}: {BRANCHES['fewshot']}"]
        top, rho = _highest(_criteria(cells))
        first = top.split("`")[1]
        yield (
            f"{study}: the oracle's own mean without retraining is {_place(means, 'oracle')} of {len(means)}; the "
            f"highest ρ with it is that of {top} ({rho:.2f}), by its mean {_place(means, first)} of {len(means)}."
        )


def _regret(table: Table) -> Iterator[str]:
    for name, cells in table.columns.items():
        if name.endswith(f": {REGRET}"):
            regret = _criteria(cells)
            (least, low), (most, high) = _highest(regret, -1), _highest(regret)
            ahead = [f"`{row}`" for row in regret if bounds(cells[row])[1] < 0]
            yield (
                f"{name.partition(':')[0]}: regret, the joint oracle's mean minus a criterion's, is least for {least} "
                f"({signed(low)} points) and most for {most} ({signed(high)}). Surely above the joint oracle: "
                f"{_listed(ahead)}."
            )


def _place(means: dict[str, float], name: str) -> str:
    """Its place from the highest, such as "2nd", counting those above it."""
    place = 1 + sum(mean > means[name] for mean in means.values())
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
