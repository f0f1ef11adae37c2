"""What tests of hostile input share: strategies that damage files and values, and the command line in this process.

Inputs are drawn by hypothesis: valid files with parts changed, and noise. `commands.main` is called in this process, so
that any exception but SystemExit is a test failure.
"""

import contextlib
import io
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.tiers import EXAMPLES, examples

from secateur.cli import commands


def share(hundredths: int) -> settings:
    """A test of so many hundredths of EXAMPLES."""
    count = max(1, EXAMPLES * hundredths // 100)
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


many = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
few = settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["../../evil", "/etc/passwd", "{{ 7 * 7 }}", "{evil}", "$(touch evil)", "`touch evil`", "<script>", "a" * 5000]
    ),
    st.lists(st.integers(-2, 2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def run(*arguments: str | Path) -> str:
    """Run the command line in this process; what it says. It succeeds, or fails with one line of error, the last."""
    said = io.StringIO()
    before = sys.argv
    sys.argv = ["secateur", *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            commands.main()
    except SystemExit as ended:
        failed = bool(ended.code)
    else:
        failed = False
    finally:
        sys.argv = before
    lines = said.getvalue().strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors == lines[-1:] if failed else not errors, said.getvalue()
    assert "Traceback" not in said.getvalue()
    return said.getvalue()


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with a few bytes changed, cut short, or with noise in it; or noise alone."""
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=6)

    def change(found: list[tuple[int, int]]) -> bytes:
        changed = bytearray(content)
        for place, value in found:
            changed[place] = value
        return bytes(changed)

    cut = st.integers(0, len(content)).map(lambda size: content[:size])
    inserted = st.tuples(st.integers(0, len(content)), st.binary(max_size=20)).map(
        lambda found: content[: found[0]] + found[1] + content[found[0] :]
    )
    return st.one_of(places.map(change), cut, inserted, st.binary(max_size=200))
