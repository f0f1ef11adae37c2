"""Which recipe of fine-tuning a config should have: chosen on validation images, written to docs/recipes.md.

    snakemake --cores 2 --configfile config/demo.yaml --until transfer units
    python benchmarks/recipes.py --config config/demo.yaml [--seeds 0-2] [--criteria lrp,taylor_raw] [--write]

Retraining that costs accuracy says nothing about criteria. A recipe passes where, in every study, the best criterion
with retraining (by its mean over the rates) is at no rate more than a point below itself without. The config's own
recipe is tried first; where it does not pass, the one with the fewest epochs of those that do is taken, then the most
accurate. Only validation images are looked at: the part of the training split that the transfer held out. Without
retraining, networks are cut at the same rates from one ranking.
"""

import argparse
import dataclasses
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch

from secateur import config as configuration
from secateur import layout
from secateur.branches import measurements
from secateur.branches.ranking import rank_as_configured
from secateur.branches.retrain import _step
from secateur.branches.rounds import start
from secateur.branches.study import Study, open_study
from secateur.cli.application import seed_range
from secateur.files import write_text
from secateur.models.transfer import parts
from secateur.progress import track
from secateur.pruning.removal import sweep

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
MARGIN = 0.01
EPOCHS = (1, 2, 3, 5, 10)
LEARNING_RATES = (0.0003, 0.001, 0.003)
RECIPE = ["epochs", "learning_rate"]
Opened = list[tuple[Study, int, Path]]


def validated(study: Study, seed: int) -> Study:
    """The same study with the images that a seed's transfer held out in place of the test images."""
    _, held_out = parts(study.config, study.name, study.dataset.train_labels, seed)
    found = dataclasses.replace(study, measured=None)
    index = torch.from_numpy(held_out)
    shown = {"test_inputs": study.train_inputs.subset(held_out), "test_labels": study.train_labels[index]}
    found.__dict__.update(
        shown | {"groups": study.groups, "counter": study.counter, "folded": study.folded}
    )  # cached properties
    return found


def without(study: Study, criterion: str, seed: int, samples: Path) -> dict[float, float]:
    """Rate → accuracy of the networks that one ranking leaves, without any training."""
    settings, model = study.config["retrain"], study.model(seed)
    case = ("retrain", seed, str(settings["samples_per_class"][0]), 1)
    scores = rank_as_configured(study, criterion, model, study.groups, samples, case)
    steps = sweep(model, study.groups, scores, settings["rates"], study.selecting)
    return {step.rate: measurements.measure(study, step.model)["accuracy"] for step in steps}


def retrained(study: Study, criterion: str, seed: int, samples: Path) -> dict[float, float]:
    """Rate → accuracy of the networks of the branch with retraining."""
    settings = study.config["retrain"]
    current = start(study, seed, str(settings["samples_per_class"][0]))
    for rate in settings["rates"]:
        current = _step(study, criterion, current, rate, samples)
    return {row["rate"]: row["accuracy"] for row in current.rows[1:]}


def measure(opened: Opened, criteria: Sequence[str]) -> Iterator[pd.DataFrame]:
    """For the config's own recipe, then for each number of epochs: one row a recipe, study, criterion, seed and rate.

    Args:
        opened: studies, each with a seed and the reference samples of it.
        criteria: names in the config.

    Returns:
        Tables with the columns `epochs learning_rate study criterion seed rate with without`.
    """
    cases = [(study, seed, criterion) for study, seed, _ in opened for criterion in criteria]
    unseen = [validated(study, seed) for study, seed, _ in cases]
    samples = [path for _, _, path in opened for _ in criteria]
    before = [
        without(study, criterion, seed, path)
        for study, (_, seed, criterion), path in zip(unseen, cases, samples, strict=True)
    ]
    recipe = cases[0][0].config["retrain"]["finetune"]
    own = (recipe["epochs"], recipe["learning_rate"])
    others = [[(epochs, rate) for rate in LEARNING_RATES if (epochs, rate) != own] for epochs in EPOCHS]
    for recipes in filter(None, ([own], *others)):
        rows = []
        each = list(itertools.product(recipes, range(len(cases))))
        for (epochs, learning_rate), place in track(each, len(each), f"{recipes[0][0]} epochs"):
            (study, seed, criterion), config = cases[place], unseen[place].config
            tried = recipe | {"epochs": epochs, "learning_rate": learning_rate}
            changed = config | {"retrain": config["retrain"] | {"finetune": tried}}
            candidate = dataclasses.replace(unseen[place], config=changed)
            candidate.__dict__.update({k: v for k, v in unseen[place].__dict__.items() if k not in ("config",)})
            after = retrained(candidate, criterion, seed, samples[place])
            rows += [
                {"epochs": epochs, "learning_rate": learning_rate, "study": study.name, "criterion": criterion,
                 "seed": seed, "rate": rate, "with": accuracy, "without": before[place][rate]}
                for rate, accuracy in after.items()
            ]  # fmt: skip
        yield pd.DataFrame(rows)


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """One row a recipe and study: its best criterion, and where retraining helps that one least.

    Columns `epochs learning_rate study criterion with without rate difference`: means over seeds, `with` and `without`
    over the rates too; `rate` is the one with the smallest `difference` (with − without).
    """
    keys = [*RECIPE, "study"]
    by_rate = table.groupby([*keys, "criterion", "rate"], as_index=False)[["with", "without"]].mean()
    by_rate["difference"] = by_rate["with"] - by_rate["without"]
    means = by_rate.groupby([*keys, "criterion"], as_index=False)[["with", "without"]].mean()
    best = means.sort_values("with", ascending=False, kind="stable").groupby(keys, as_index=False).first()
    least = by_rate.loc[by_rate.groupby([*keys, "criterion"])["difference"].idxmin()]
    return best.merge(least[[*keys, "criterion", "rate", "difference"]], on=[*keys, "criterion"])


def chosen(found: pd.DataFrame, margin: float = MARGIN) -> tuple[int, float] | None:
    """Epochs and learning rate of the recipe to take (see above); None where none passes."""
    recipes = found.groupby(RECIPE, as_index=False).agg({"difference": "min", "with": "mean"})
    passing = recipes[recipes["difference"] >= -margin - 1e-9].sort_values(["epochs", "with"], ascending=[True, False])
    return None if passing.empty else (int(passing.iloc[0]["epochs"]), float(passing.iloc[0]["learning_rate"]))


def said(epochs: int, learning_rate: float) -> str:
    """A recipe in words."""
    return f"{epochs} epoch{'' if epochs == 1 else 's'} at {learning_rate:g}"


def section(name: str, found: pd.DataFrame, recipe: tuple[int, float] | None, how: str) -> str:
    """What was found for a config, as Markdown."""
    lines = [
        "| epochs | learning rate | study | best criterion | with | without | least gain | at rate |",
        "|---:|---:|---|---|---:|---:|---:|---:|",
    ]
    for row in found.sort_values([*RECIPE, "study"]).to_dict("records"):
        taken = "**" if recipe == (row["epochs"], row["learning_rate"]) else ""
        lines.append(
            f"| {taken}{row['epochs']}{taken} | {taken}{row['learning_rate']:g}{taken} | {row['study']} | "
            f"{row['criterion']} | {100 * row['with']:.1f} | {100 * row['without']:.1f} | "
            f"{100 * row['difference']:+.1f} | {row['rate']:g} |"
        )
    words = f"Taken: {said(*recipe)}." if recipe else "None of these passes."
    return f"<!-- {name} -->\n## {name}\n\n{how} {words}\n\n" + "\n".join(lines) + "\n"


def page(text: str, name: str, new: str) -> str:
    """The page with the section of one config replaced, or added at its end."""
    old = re.compile(rf"<!-- {re.escape(name)} -->\n.*?(?=<!-- |\Z)", re.DOTALL)
    return old.sub(lambda _: f"{new}\n", text) if old.search(text) else f"{text.rstrip()}\n\n{new}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="of a run with this config; default results/<its name>")
    parser.add_argument("--seeds", default="0-2", help="first and last")
    parser.add_argument("--criteria", default="lrp,lrp_epsilon,taylor_raw", help="those of the config are tried")
    parser.add_argument("--write", action="store_true", help="into docs/recipes.md")
    given = parser.parse_args()
    config = configuration.read(given.config)
    torch.set_num_threads(config["threads"])
    results = given.results or Path("results", config["run"])
    names = [entry["name"] for entry in config["criteria"]]
    criteria = [name for name in given.criteria.split(",") if name in names] or names
    opened = [
        (
            open_study(
                config, name, layout.prepared(about["dataset"], config["backbones"][about["backbone"]]),
                results / "models" / name / f"{part}.safetensors", results / "units" / f"{name}.safetensors",
            ),
            seed, results / "samples" / name / f"{part}.csv",
        )
        for name, about in config["studies"].items()
        for part, seeds in configuration.parts(config).items()
        for seed in seeds if seed in seed_range(given.seeds)
    ]  # fmt: skip
    found, recipe = pd.DataFrame(), None
    for table in measure(opened, criteria):
        found = pd.concat([found, judged(table)]).drop_duplicates([*RECIPE, "study"])
        recipe = chosen(found)
        if recipe:
            break
    held_out = len(validated(*opened[0][:2]).test_labels)
    how = (
        f"{', '.join(criteria)}; seeds {given.seeds}, {held_out} validation images of each; in per cent, means over "
        "seeds and rates."
    )
    text = section(given.config.stem, found, recipe, how)
    print(text)
    if given.write:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), given.config.stem, text))
    sys.exit(0 if recipe else 1)


if __name__ == "__main__":
    main()
