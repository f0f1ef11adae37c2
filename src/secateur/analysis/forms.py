"""Forms of a criterion: which entries of a run are a criterion as published, and which are other forms of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from secateur.analysis.choices import choices_of
from secateur.analysis.claims import Claim, Claims

Entries = list[Mapping[str, Any]]


def of_run(claims: Claims, entries: Iterable[Mapping[str, Any]]) -> Claims:
    """The claims as one run can be held against them.

    A rival as published is its entry without choices of its own, whatever its name; in its strongest form, every entry
    of the run that is this criterion. Claims are tested for those of their criteria that the run has, or for all where
    it has none of them.

    Args:
        entries: the config's resolved criteria (not what the run has finished: what failed is undecided, not absent);
            none where nothing is known, and then every criterion stands for itself.
    """
    every = list(entries)
    if not every:
        return claims
    known = {entry["name"]: entry for entry in every}
    published = _published(every)

    def named(name: str) -> str | None:
        """The entry that a name in the claims file means: a criterion as published, or a variant of another name."""
        is_variant = name in known and known[name]["criterion"] != name
        return name if is_variant else published.get(name)

    present = tuple(entry for entry in map(named, claims.criteria) if entry is not None)
    paper = named(claims.paper) or claims.paper
    return replace(
        claims,
        claims=tuple(_claim(claim, every, paper) for claim in claims.claims),
        criteria=present or claims.criteria,
        paper=paper,
        run=tuple(known),
    )


def criteria_of(claim: Claim, claims: Claims, measured: Iterable[str] = ()) -> tuple[str, ...]:
    """The criteria that a claim is judged for, those of the claims file first; `measured`: those with results."""
    if claim.judged_for == "first":
        return (claims.paper,)
    if claim.judged_for == "tested":
        return claims.criteria
    return tuple(dict.fromkeys([*claims.criteria, *(claims.run or sorted(measured))]))


def _published(entries: Entries) -> dict[str, str]:
    """Criterion → the name of its entry without choices of its own."""
    plain: dict[str, str] = {}
    for entry in entries:
        if not choices_of(entry):
            plain.setdefault(entry["criterion"], entry["name"])
    return plain


def _claim(claim: Claim, entries: Entries, paper: str) -> Claim:
    if claim.strongest:
        forms = [name for family in claim.families for name in _forms(entries, family) or [family]]
        return replace(claim, rivals=tuple(forms))
    if claim.comparison == "equivalent":
        forms = [
            entry["name"] for entry in entries
            if entry["criterion"] in claim.families and _only(entry, claim.options) and entry["name"] != paper
        ]  # fmt: skip
        return replace(claim, rivals=tuple(forms))
    published = _published(entries)
    return replace(claim, rivals=tuple(published.get(rival, rival) for rival in claim.rivals))


def _forms(entries: Entries, criterion: str) -> list[str]:
    """All entries of a criterion, but for those that are not measured as all others are (`batch_norm: running`)."""
    return [entry["name"] for entry in entries if entry["criterion"] == criterion and "batch_norm" not in entry]


def _only(entry: Mapping[str, Any], options: tuple[str, ...]) -> bool:
    """Whether an entry chooses nothing but some of these options."""
    others = choices_of({**entry, "options": {}})
    return not others and set(entry.get("options", {})) <= set(options)
