"""What `make test` runs of a test that has many rows or examples; `make test-all` runs all of them."""

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest

EXAMPLES = int(os.environ.get("SECATEUR_EXAMPLES", "500"))
"""How many hostile inputs are generated in all: 100 by make test, 500 by make test-all, 10,000 by make property."""


def rows(every: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """The rows of a parametrised test, of which those that are not in `fast` are slow."""
    every = list(every)
    assert all(row in every for row in fast), "a row that there is not"
    return [row if row in fast else pytest.param(row, marks=pytest.mark.slow) for row in every]


def examples(whole: int) -> int:
    """How many examples hypothesis makes where `make test-all` makes `whole`; at least one."""
    return max(1, whole * EXAMPLES // 500)
