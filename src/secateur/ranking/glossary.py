"""What each criterion of a run is, for readers: a sentence, a formula, what it looks at, how scores become comparable.

All of it is read from the criterion's file without running it, and from the config's entry, so that two entries of one
criterion with other options are never described alike.
"""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from secateur.ranking.registry import describe, parsed, source_of

LOOKS_AT = {
    (): "nothing but the network",
    ("samples",): "reference images without their labels",
    ("samples", "labels"): "reference images with their labels",
    ("samples", "labels", "gradients"): "reference images with their labels, and gradients",
    ("samples", "gradients"): "reference images without their labels, and gradients",
}
"""`NEEDS` of a criterion, in words."""
COMPARABLE = {
    "none": "scores as they are",
    "sum": "scores divided by their layer's sum",
    "l2": "scores divided by their layer's Euclidean norm",
}
"""`NORMALISATION`, in words."""
RANKED = {"once": "ranked once for all rounds of retraining"}


def entry(item: dict[str, Any], folders: Iterable[str | Path] = ()) -> dict[str, str]:
    """One of the config's criteria in words.

    Args:
        item: the resolved entry: `criterion`, and where it says so `options`, `normalisation`, `combine`, `ranking`.
        folders: where the user's own criteria lie.

    Returns:
        `sentence`, with what this entry chooses; `formula` ("" for a rule in another language); `needs`;
        `normalisation`; `paper`.
    """
    folders = list(folders)
    source = source_of(item["criterion"], folders)
    stated: dict[str, Any] = {"NORMALISATION": "l2", "NEEDS": ("samples", "labels"), "PAPER": ""}
    formula = ""
    if source.kind != "rule":
        tree = parsed(source)
        stated |= _constants(tree, stated)
        formula = _formula(tree)
    normalisation = item.get("normalisation", stated["NORMALISATION"])
    chosen = [f"{name}: {_written(value)}" for name, value in (item.get("options") or {}).items()]
    if normalisation != stated["NORMALISATION"]:
        chosen.append(f"{COMPARABLE[normalisation]} (by itself: {COMPARABLE[stated['NORMALISATION']]})")
    chosen += [RANKED[item["ranking"]]] if item.get("ranking") in RANKED else []
    chosen += [f"{key.replace('_', ' ')}: {item[key]}" for key in ("combine", "batch_norm") if item.get(key)]
    chosen += ["options tuned on further training images"] if item.get("tune") else []
    sentence = describe(item["criterion"], folders)
    return {
        "sentence": f"{sentence} Here with {'; '.join(chosen)}." if chosen else sentence,
        "formula": formula,
        "needs": LOOKS_AT.get(tuple(stated["NEEDS"]), ", ".join(stated["NEEDS"])) if source.kind != "rule" else "",
        "normalisation": COMPARABLE.get(normalisation, normalisation),
        "paper": str(stated["PAPER"]),
    }


def _constants(tree: ast.Module, wanted: Iterable[str]) -> dict[str, Any]:
    """The literal values that the module gives to these names."""
    constants = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in wanted:
                try:
                    constants[name] = ast.literal_eval(statement.value)
                except ValueError:  # put together when the file runs: then what is usual is said
                    continue
    return constants


def _formula(tree: ast.Module) -> str:
    """The first line of what `score` says of itself, which is its formula."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "score":
            return (ast.get_docstring(statement) or "").partition("\n")[0].replace("`", "")
    return ""


def _written(value: Any) -> str:
    """An option's value as the config writes it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
