"""The claims of a paper as config/claims.yaml states them: read and checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from secateur import shipped
from secateur.analysis.measures import MEASURES
from secateur.errors import SecateurError

COMPARISONS = {
    "better_than": {"rivals", "measure", "branch", "margin"},
    "not_worse_than": {"rivals", "measure", "branch", "margin"},
    "keeps": {"measure", "branch", "margin", "from_rate"},
    "at_most": {"measure", "limit"},
}
"""Kind of comparison → the keys that it needs."""
COST_MEASURES = ("ratio_to_gradient", "seconds", "peak_bytes")


@dataclass(frozen=True)
class Claim:
    """One claim; the fields are explained at the top of config/claims.yaml."""

    id: str
    title: str
    words: str
    comparison: str
    measure: str
    branch: str = ""
    rivals: tuple[str, ...] = ()
    margin: float = 0.0
    samples_at_most: int | None = None
    from_rate: float = 0.0
    limit: float = 0.0
    test: str = "sign"
    ours: bool = False
    """Whether it is a question of this benchmark's own, which the count of the paper's claims leaves out."""


@dataclass(frozen=True)
class Claims:
    """The claims of one source, the level they are tested at, and the criteria they are tested for."""

    claims: tuple[Claim, ...]
    criteria: tuple[str, ...]
    alpha: float
    source: dict[str, str]


def read(path: str | Path) -> Claims:
    """Read and check a claims file, that of the folder one stands in or the one that Secateur brings along.

    Raises:
        SecateurError: unreadable, an unknown or missing key, an unknown comparison, measure or test, or a number
            outside its range; says which claim, what was found and what is allowed.
    """
    try:
        found = yaml.safe_load(shipped.find(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SecateurError(f"{path}: not a readable YAML file ({error}).") from None
    if not isinstance(found, dict) or not isinstance(found.get("claims"), list):
        raise SecateurError(f"{path}: needs the keys source, alpha, criteria and a list 'claims'.")
    alpha = found.get("alpha", 0.05)
    if not isinstance(alpha, int | float) or not 0 < alpha < 0.5:
        raise SecateurError(f"{path}: alpha is {alpha!r}; allowed is a number in (0, 0.5).")
    criteria = found.get("criteria")
    if not isinstance(criteria, list) or not criteria:
        raise SecateurError(f"{path}: 'criteria' is {criteria!r}; it is the list of criteria that claims are about.")
    claims = tuple(_claim(path, number, entry) for number, entry in enumerate(found["claims"]))
    names = [claim.id for claim in claims]
    if len(set(names)) < len(names):
        raise SecateurError(f"{path}: claim ids {names} are not all different. Rename one.")
    return Claims(claims, tuple(map(str, criteria)), float(alpha), found.get("source") or {})


def of_run(claims: Claims, entries: Iterable[Mapping[str, Any]]) -> Claims:
    """The claims for those of their criteria that a run has, or for all where it has none of them.

    Args:
        entries: the config's resolved criteria (not what the run has finished: what failed is undecided, not absent).
    """
    names = {entry["name"] for entry in entries}
    return replace(claims, criteria=tuple(name for name in claims.criteria if name in names) or claims.criteria)


def _claim(path: str | Path, number: int, entry: Any) -> Claim:
    where = f"{path}: claim {entry.get('id', number + 1) if isinstance(entry, dict) else number + 1}"
    fields = Claim.__dataclass_fields__
    unknown = sorted(set(entry) - set(fields)) if isinstance(entry, dict) else [repr(entry)]
    if unknown:
        raise SecateurError(f"{where}: unknown key(s) {', '.join(unknown)}; allowed are {', '.join(fields)}.")
    comparison = entry.get("comparison")
    if comparison not in COMPARISONS:
        raise SecateurError(f"{where}: comparison is {comparison!r}; allowed are {', '.join(COMPARISONS)}.")
    missing = sorted(({"id", "title", "words"} | COMPARISONS[comparison]) - set(entry))
    if missing:
        raise SecateurError(f"{where}: a claim of the kind {comparison} also needs {', '.join(missing)}.")
    allowed: dict[str, Any] = {
        "measure": COST_MEASURES if comparison == "at_most" else tuple(MEASURES),
        "branch": ("fewshot", "retrain"),
        "test": ("sign", "wilcoxon", "permutation"),
    }
    for key, values in allowed.items():
        if key in entry and entry[key] not in values:
            raise SecateurError(f"{where}: {key} is {entry[key]!r}; allowed are {', '.join(values)}.")
    if float(entry.get("margin", 0.0)) < 0:
        raise SecateurError(f"{where}: margin is {entry['margin']}; it is a distance, at least 0.")
    fields_given: dict[str, Any] = {str(key): value for key, value in entry.items()}
    return Claim(**fields_given | {"rivals": tuple(map(str, entry.get("rivals", ())))})
