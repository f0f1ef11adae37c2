"""The tables of docs/findings.md: read from what a run wrote, and read back from the page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from secateur.analysis.tables import in_order
from secateur.config import REPOSITORY
from secateur.files import read_json

MEASURE = "mean_accuracy_over_rate"
BRANCHES = {"fewshot": "not retrained", "retrain": "retrained"}
LEVEL = 0.05
UNPRUNED, AS_LONG, CHANCE = "_unpruned_", "_unpruned, trained on as long_", "_chance_"
COST, ORACLE, REGRET = "cost ÷ gradient", "ρ with the oracle", "regret"
FACTORS = {"of": ("loss", "logit"), "absolute": ("total", "sample", "position"), "normalisation": ("l2", "none")}
"""Choice of a first-order criterion → its levels, the one that the papers compare first."""


@dataclass(frozen=True)
class Table:
    """A table of the page: heading of its first column, and column → row → the text of the cell."""

    first: str
    rows: list[str]
    columns: dict[str, dict[str, str]]
    words: bool = False
    """Whether cells are words, which stand to the left."""

    def markdown(self) -> str:
        """The table as it stands in the page; a cell that is not there is a dash."""
        lines = [
            "| " + " | ".join([self.first, *self.columns]) + " |",
            "|---|" + ("---|" if self.words else "---:|") * len(self.columns),
        ]
        cells = (" | ".join([row, *(one.get(row, "–") for one in self.columns.values())]) for row in self.rows)
        return "\n".join([*lines, *(f"| {line} |" for line in cells)])


def read_back(text: str) -> dict[str, Table]:
    """Every table in `text`, by the heading of its first column."""
    found = {}
    for block in text.split("\n\n"):
        lines = [line.strip().strip("|").split("|") for line in block.splitlines() if line.startswith("|")]
        if len(lines) > 2:
            head, _, *rows = [[cell.strip() for cell in line] for line in lines]
            columns = {
                name: {row[0]: row[place] for row in rows if row[place] != "–"}
                for place, name in enumerate(head[1:], 1)
            }
            found[head[0]] = Table(head[0], [row[0] for row in rows], columns)
    return found


def means(run: Path) -> Table:
    """A row a criterion, highest first: mean accuracy over the rates of each study and branch; cost; the oracles' word.

    Below them what the numbers lie between: the network before pruning (and after as much training), and chance.
    """
    found = intervals(run)
    indexed = found[found["measure"] == MEASURE].set_index(["study", "branch", "criterion"]).sort_index()
    columns: dict[str, dict[str, str]] = {}
    for study in indexed.index.unique("study"):
        for branch in indexed.loc[study].index.unique("branch"):
            rows = indexed.loc[(study, branch)]
            columns[f"{study}: {BRANCHES[branch]}"] = {str(name): _interval(row) for name, row in rows.iterrows()}
    _add_ends(run, found, columns)
    cost = pd.read_csv(run / "tables" / "cost.csv").groupby("criterion")["ratio_to_gradient"].median()
    columns[COST] = {str(name): f"{ratio:.1f}" for name, ratio in cost.items()}
    if (oracle := _of_most(run, "oracle")) is not None:
        for study, rows in oracle.groupby("study", sort=False):
            columns[f"{study}: {ORACLE}"] = {row.criterion: f"{row.spearman:.2f}" for row in rows.itertuples()}
    if (regret := _of_most(run, "regret")) is not None:
        for study, rows in regret.groupby("study", sort=False):
            columns[f"{study}: {REGRET}"] = {row["criterion"]: _points(row) for row in rows.to_dict("records")}
    without = indexed.xs("fewshot", level="branch")["mean"].groupby("criterion").mean()
    names = [str(name) for name in without.sort_values(ascending=False, kind="stable").index]
    ends = [end for end in (UNPRUNED, AS_LONG, CHANCE) if any(end in cells for cells in columns.values())]
    return Table("criterion", [*names, *ends], columns)


def _of_most(run: Path, name: str) -> pd.DataFrame | None:
    """A table of the statistics for the largest number of reference images; None where the run has none."""
    path = run / "statistics" / f"{name}.csv"
    if not path.exists():
        return None
    found = pd.read_csv(path, dtype={"samples_per_class": str})
    found = found[found["samples_per_class"] == in_order(found["samples_per_class"])[-1]] if len(found) else found
    return found if len(found) else None


def _points(row: dict[str, Any]) -> str:
    """A difference of accuracy in points, with its interval where it has one."""
    low, high = row["accuracy_low"], row["accuracy_high"]
    bounds = f" [{signed(100 * low)}, {signed(100 * high)}]" if pd.notna(low) else ""
    return f"{signed(100 * row['accuracy'])}{bounds}"


def verdicts(run: Path) -> Table:
    """A row a claim and criterion that the claims are tested for, a column a study: the verdict and its numbers."""
    found = pd.read_csv(run / "statistics" / "verdicts.csv")
    if "remedy" in found:
        found = found[found["remedy"] == "none"]
    stated = claims()
    about = {claim["id"]: claim.get("branch") for claim in stated["claims"]}
    branch = found["claim"].map(lambda name: about.get(name, about.get(name.rstrip("s"))))
    chosen = found["scope"].eq("study") & found["n"].gt(0) & found["criterion"].isin(stated["criteria"])
    found = found[chosen & (trained(run) | branch.ne("retrain"))]
    columns: dict[str, dict[str, str]] = {}
    for study, rows in found.groupby("study"):
        cells = {f"{row['claim']}, {row['criterion']}": verdict(row) for row in rows.to_dict("records")}
        columns[str(study)] = cells
    rows = list(dict.fromkeys(found["claim"] + ", " + found["criterion"]))
    return Table("claim, criterion", rows, columns)


def choices(run: Path) -> Table:
    """A row a choice: what it changes in each study and branch; bold where the corrected test says so.

    Below them the accuracies that the numbers lie between, as in `means`.
    """
    found = _of_most_images(run, "choices")
    found["what"] = found["criterion"] + ", " + found["choice"]
    columns: dict[str, dict[str, str]] = {}
    for (study, branch), rows in found.groupby(["study", "branch"], sort=False):
        columns[f"{study}: {BRANCHES[branch]}"] = {row.what: _difference(row) for row in rows.itertuples()}
    _add_ends(run, intervals(run), columns)
    ends = [name for name in (UNPRUNED, AS_LONG, CHANCE) if any(name in cells for cells in columns.values())]
    return Table("criterion, choice", [*dict.fromkeys(found["what"]), *ends], columns)


def factors(table: Table, entries: list[dict[str, Any]]) -> Table:
    """What each choice of a first-order criterion is worth: a level minus the first, mean over the other choices.

    Args:
        table: from `means`; only its columns of means are taken.
        entries: the run's criteria, each with its options; only those of gradient and Taylor are taken, of which every
            combination of `FACTORS` must be there.
    """
    forms: dict[str, dict[tuple[str, ...], str]] = {"gradient": {}, "taylor": {}}
    for entry in entries:
        family = str(entry.get("criterion") or entry["name"])
        chosen = {"normalisation": "l2", "of": "loss", "absolute": "total", **entry.get("options", {})}
        chosen["normalisation"] = entry.get("normalisation") or "l2"
        if family in forms:
            forms[family][tuple(str(chosen[factor]) for factor in FACTORS)] = entry["name"]
    columns: dict[str, dict[str, str]] = {name: {} for name in table.columns if name.endswith(tuple(BRANCHES.values()))}
    rows = []
    for family, names in forms.items():
        for place, (factor, levels) in enumerate(FACTORS.items()):
            for level in levels[1:]:
                row = f"{family}, {factor}: {level} − {levels[0]}"
                rows.append(row)
                pairs = [
                    (name, names[(*key[:place], levels[0], *key[place + 1 :])])
                    for key, name in names.items()
                    if key[place] == level
                ]
                for column, cells in columns.items():
                    shown = table.columns[column]
                    worth = [number(shown[one]) - number(shown[other]) for one, other in pairs]
                    cells[row] = signed(sum(worth) / len(worth))
    return Table("criterion, choice: level − level", rows, columns)


def number(cell: str) -> float:
    """The first number of a cell, such as 31.0 of "31.0 [29.8, 32.6]" or −0.8 of "**−0.8**"."""
    return float(cell.replace("*", "").replace("−", "-").split(" ")[0])


def signed(value: float) -> str:
    """A number with its sign and one decimal."""
    return f"{value:+.1f}".replace("-", "−")


def intervals(run: Path) -> pd.DataFrame:
    """The run's intervals for the largest number of reference images of each branch."""
    return _of_most_images(run, "intervals")


def blocks(run: Path, name: str = "intervals") -> str:
    """On what the numbers rest: seeds (the fewest), and reference images per class."""
    found = _of_most_images(run, name)
    images = {str(branch): rows["samples_per_class"].iloc[0] for branch, rows in found.groupby("branch")}
    if len(set(images.values())) == 1:
        return f"n = {found['n'].min()} seeds; {next(iter(images.values()))} reference images per class"
    words = " and ".join(f"{number} ({BRANCHES[branch]})" for branch, number in images.items())
    return f"n = {found['n'].min()} seeds; {words} reference images per class"


def trained(run: Path) -> bool:
    """Whether anything is trained after pruning: some runs are not about it, and take one round without any epoch."""
    settings = read_json(run / "config.json")["retrain"]
    return settings.get("run", True) and settings["finetune"].get("epochs") != 0


def claims() -> dict[str, Any]:
    """The claims file: what is claimed, and for which criteria."""
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "claims.yaml").read_text(encoding="utf-8"))
    return found


def made(run: Path) -> str:
    """With what a run was made."""
    about = read_json(run / "provenance.json")
    return f"Config `{run.name}`, hash {about['config_hash']}, commit {about['commit']}."


def _of_most_images(run: Path, name: str) -> pd.DataFrame:
    found = pd.read_csv(run / "statistics" / f"{name}.csv", dtype={"samples_per_class": str})
    if not trained(run):
        found = found[found["branch"] != "retrain"]
    most = {branch: in_order(rows["samples_per_class"])[-1] for branch, rows in found.groupby("branch")}
    return found[found["samples_per_class"] == found["branch"].map(most)].copy()


def _add_ends(run: Path, found: pd.DataFrame, columns: dict[str, dict[str, str]]) -> None:
    """Add to each column the accuracy before pruning, that of the control where the run has it, and chance."""
    start = found[found["measure"] == "unpruned_accuracy"].groupby(["study", "branch"])["mean"].mean()
    measures = pd.read_csv(run / "statistics" / "measures.csv", dtype={"samples_per_class": str})
    control = measures.loc[measures.get("control", pd.Series("", index=measures.index)).eq("unpruned")]
    control = control[control["measure"] == "accuracy_at_rate"].groupby("study")["value"].mean()
    for study, branch in start.index:
        cells = columns.get(f"{study}: {BRANCHES[branch]}")
        if cells is None:
            continue
        cells[UNPRUNED] = f"{100 * start[study, branch]:.1f}"
        if branch == "retrain" and study in control.index:
            cells[AS_LONG] = f"{100 * control[study]:.1f}"
        drawn = sorted((run / "samples" / study).glob("*.csv"))
        if drawn:
            cells[CHANCE] = f"{100 / pd.read_csv(drawn[0])['label'].nunique():.1f}"


def _interval(row: pd.Series) -> str:
    bounds = f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if pd.notna(row["low"]) else ""  # six seeds at least
    return f"{100 * row['mean']:.1f}{bounds}"


def _difference(row: object) -> str:
    words = signed(100 * row.mean_difference)  # type: ignore[attr-defined]
    return f"**{words}**" if row.wilcoxon_holm < LEVEL else words  # type: ignore[attr-defined]


def verdict(row: dict[str, Any]) -> str:
    """Such as "supported: +3.1 [2.7, 3.6], weight": the verdict, the effect that decides with its interval, and whom
    it is against; points of accuracy, or gradient passes."""
    if pd.notna(row.get("keeps_to")):
        return f"{row['verdict']}: keeps to {row['keeps_to']:g}"
    accuracy = row["unit"] == "accuracy"
    write = (lambda value: signed(100 * value)) if accuracy else (lambda value: f"{value:.2f}")
    bounds = f" [{write(row['low'])}, {write(row['high'])}]" if pd.notna(row["low"]) else ""
    against = f", {row['against']}" if accuracy else ""
    return f"{row['verdict']}: {write(row['effect'])}{bounds}{against}"
