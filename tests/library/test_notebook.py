"""The notebook of examples/: run cell by cell, as a reader would, and its stored outputs are of this code."""

import ast
import json
from pathlib import Path

import pytest

from secateur.config import REPOSITORY

NOTEBOOK = REPOSITORY / "examples" / "smaller_network.ipynb"


def run(source: str, names: dict) -> object:
    """Run a cell; what its last expression gives, None where it ends with something else."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)  # noqa: S102 - the notebook is ours
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.slow
def test_every_cell_runs_and_what_it_shows_is_what_the_file_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    code = [each for each in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if each["cell_type"] == "code"]
    assert len(code) >= 8
    for cell in code:
        shown = run("".join(cell["source"]), names)
        kinds = [output["output_type"] for output in cell["outputs"]]
        assert ("execute_result" in kinds) == (shown is not None), cell["source"]
        if shown is not None and hasattr(shown, "_repr_html_"):
            (stored,) = [output for output in cell["outputs"] if output["output_type"] == "execute_result"]
            assert "text/html" in stored["data"]
    after = names["pruned"].report
    assert after.tests.after.accuracy > 0.6 and after.counts.after.params < after.counts.before.params
