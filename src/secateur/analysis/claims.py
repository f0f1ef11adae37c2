"""The claims of a paper as config/claims.yaml states them: read and checked."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from secateur import shipped
from secateur.analysis.measures import MEASURES
from secateur.errors import SecateurError

AGAINST_RIVALS = ("better_than", "not_worse_than")
COMPARISONS = {
    "better_than": {"rivals", "measure", "branch", "margin"},
    "not_worse_than": {"rivals", "measure", "branch", "margin"},
    "keeps": {"measure", "branch", "margin", "from_rate"},
    "equivalent": {"families", "measure", "branch", "margin"},
    "at_most": {"measure", "limit"},
}
"""Kind of comparison → the keys that it needs."""
OPTIONAL = {
    "better_than": {"samples_at_most"},
    "not_worse_than": {"samples_at_most"},
    "keeps": {"samples_at_most"},
    "equivalent": {"samples_at_most", "options"},
    "at_most": set[str](),
}
"""Kind of comparison → the keys that it may have beside those that every claim may have."""
EVERY = ("id", "title", "words", "comparison", "test", "judged_for", "ours")
"""Keys that a claim of any kind may have; the first four it must have."""
KEPT = ("accuracy_at_rate", "worst_class_at_rate")
"""What a claim of the kind `keeps` can be about: measures that the unpruned network has at the same rate."""
COST_MEASURES = ("ratio_to_gradient", "seconds", "peak_bytes")
JUDGED_FOR = ("tested", "all", "first")
TESTS = ("sign", "wilcoxon", "permutation")
STRONGEST = "s"
"""What the id of a claim against rivals in their strongest form ends with: C1s beside C1."""


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
    """Names of entries of a run: the rivals, or for `equivalent` the other forms (`forms.of_run` fills them in)."""
    margin: float = 0.0
    samples_at_most: int | None = None
    from_rate: float = 0.0
    limit: float = 0.0
    test: str = "sign"
    ours: bool = False
    """Whether it is a question of this benchmark's own, which the count of the paper's claims leaves out."""
    judged_for: str = "tested"
    families: tuple[str, ...] = ()
    """Criteria, of which all forms count that a run has."""
    options: tuple[str, ...] = ()

    @property
    def strongest(self) -> bool:
        """Whether its rivals are taken in every form that a run has."""
        return self.comparison in AGAINST_RIVALS and bool(self.families)


@dataclass(frozen=True)
class Claims:
    """The claims of one source, the level they are tested at, and the criteria they are tested for.

    `paper` is the paper's own criterion; `run` are the names of all criteria of the run, where it is known.
    """

    claims: tuple[Claim, ...]
    criteria: tuple[str, ...]
    alpha: float
    source: dict[str, str]
    paper: str
    run: tuple[str, ...] = ()


def read(path: str | Path) -> Claims:
    """Read and check a claims file, that of the folder one stands in or the one that Secateur brings along.

    A claim against rivals becomes two: as published, and in their strongest form.

    Raises:
        SecateurError: unreadable, an unknown or missing key, an unknown comparison, measure or test, or a number
            outside its range; says which claim, what was found and what is allowed.
    """
    try:
        written = yaml.safe_load(shipped.find(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SecateurError(f"{path}: not a readable YAML file ({error}).") from None
    if not isinstance(written, dict) or not isinstance(written.get("claims"), list):
        raise SecateurError(f"{path}: needs the keys source, alpha, criteria and a list 'claims'.")
    alpha = _number(path, "alpha", written.get("alpha", 0.05))
    if not 0 < alpha < 0.5:
        raise SecateurError(f"{path}: alpha is {alpha!r}; allowed is a number in (0, 0.5).")
    criteria = _names(
        path, "criteria", written.get("criteria"), "the criteria that claims are about, the paper's first"
    )
    stated = [_claim(path, number, entry) for number, entry in enumerate(written["claims"])]
    claims = tuple(claim for one in stated for claim in _both(one))
    names = [claim.id for claim in claims]
    if len(set(names)) < len(names):
        raise SecateurError(
            f"{path}: claim ids {names} are not all different (a claim against rivals has a second id, "
            f"with “{STRONGEST}” at its end). Rename one."
        )
    return Claims(claims, criteria, alpha, written.get("source") or {}, criteria[0])


def _both(claim: Claim) -> list[Claim]:
    """A claim, and where it is one against rivals the same against all of their forms."""
    if claim.comparison not in AGAINST_RIVALS:
        return [claim]
    other = replace(
        claim, id=claim.id + STRONGEST, title=f"{claim.title}, rivals at their strongest", families=claim.rivals,
        words="The same against every form of each rival that this run has.", ours=True,
    )  # fmt: skip
    return [claim, other]


def _claim(path: str | Path, number: int, entry: Any) -> Claim:
    where = f"{path}: claim {entry.get('id', number + 1) if isinstance(entry, dict) else number + 1}"
    if not isinstance(entry, dict):
        raise SecateurError(f"{where}: {entry!r} is no mapping of keys to values.")
    comparison = entry.get("comparison")
    if not isinstance(comparison, str) or comparison not in COMPARISONS:
        raise SecateurError(f"{where}: comparison is {comparison!r}; allowed are {', '.join(COMPARISONS)}.")
    allowed = [*EVERY, *sorted(COMPARISONS[comparison] | OPTIONAL[comparison])]
    if unknown := sorted(set(map(str, entry)) - set(allowed)):
        raise SecateurError(
            f"{where}: unknown key(s) {', '.join(unknown)}; a claim of the kind {comparison} has {', '.join(allowed)}."
        )
    if missing := sorted(({*EVERY[:4]} | COMPARISONS[comparison]) - set(entry)):
        raise SecateurError(f"{where}: a claim of the kind {comparison} also needs {', '.join(missing)}.")
    _check_values(where, comparison, entry)
    given: dict[str, Any] = {str(key): value for key, value in entry.items()}
    for key in ("id", "title", "words"):
        given[key] = str(given[key])
    for key, what in (("rivals", "criteria"), ("families", "criteria"), ("options", "options of these criteria")):
        if key in given:
            given[key] = _names(where, key, given[key], what)
    for key in ("margin", "from_rate", "limit"):
        if key in given:
            given[key] = _number(where, key, given[key])
    return _in_range(where, Claim(**given))


def _check_values(where: str, comparison: str, entry: dict[str, Any]) -> None:
    measures = {"at_most": COST_MEASURES, "keeps": KEPT}.get(comparison, tuple(MEASURES))
    choices: dict[str, tuple[Any, ...]] = {
        "measure": measures, "branch": ("fewshot", "retrain"), "test": TESTS, "judged_for": JUDGED_FOR,
        "ours": (True, False),
    }  # fmt: skip
    for key, values in choices.items():
        if key in entry and entry[key] not in values:
            raise SecateurError(f"{where}: {key} is {entry[key]!r}; allowed are {', '.join(map(str, values))}.")
    most = entry.get("samples_at_most", 1)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise SecateurError(f"{where}: samples_at_most is {most!r}; allowed is a whole number of at least 1.")


def _in_range(where: str, claim: Claim) -> Claim:
    if claim.margin < 0:
        raise SecateurError(f"{where}: margin is {claim.margin}; it is a distance, at least 0.")
    if claim.comparison == "equivalent" and claim.margin == 0:
        raise SecateurError(f"{where}: margin is 0; nothing measured is equal to that. Give one above 0.")
    if not 0 <= claim.from_rate < 1:
        raise SecateurError(f"{where}: from_rate is {claim.from_rate}; it is a share of units, at least 0 and below 1.")
    if claim.comparison == "at_most" and claim.limit <= 0:
        raise SecateurError(f"{where}: limit is {claim.limit}; it is a cost, above 0.")
    return claim


def _number(where: str | Path, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SecateurError(f"{where}: {key} is {value!r}; allowed is a number.")
    return float(value)


def _names(where: str | Path, key: str, value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise SecateurError(f"{where}: '{key}' is {value!r}; it is a list of names, at least one: {what}.")
    if len(set(value)) < len(value):
        raise SecateurError(f"{where}: '{key}' is {value!r}; it names one twice.")
    return tuple(value)
