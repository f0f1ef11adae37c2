"""What a look at a published run has found: one sentence a subject, and whether it speaks against the run."""

from dataclasses import dataclass

HOLDS, REFUSED, UNCHECKED = "holds", "refused", "not checked"


@dataclass(frozen=True)
class Finding:
    """`what` was looked at ("files", "seeds", …), its `state` (HOLDS, REFUSED, UNCHECKED) and a sentence that says it.

    UNCHECKED is what could not be looked at here, with the reason: it speaks neither for the run nor against it.
    """

    what: str
    state: str
    said: str


def refused(what: str, problems: list[str], fine: str) -> list[Finding]:
    """One REFUSED finding for each problem, at most ten and a count of the others; where there is none, HOLDS with
    the sentence `fine`."""
    if not problems:
        return [Finding(what, HOLDS, fine)]
    shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
    return [Finding(what, REFUSED, problem) for problem in shown]
