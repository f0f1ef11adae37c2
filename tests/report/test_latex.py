"""LaTeX tables: the numbers of the statistics, and names that cannot act."""

import shutil
import subprocess

import pandas as pd
import pytest

from secateur.report.drawing import read_statistics
from secateur.report.latex import escape, table


def test_the_tables_hold_the_statistics_numbers(run):
    text = (run / "tables.tex").read_text()
    verdict = read_statistics(run / "statistics", "verdicts").iloc[0]
    assert f"C1 & lrp & scene15-resnet18 & supported & {verdict['effect']:.3g} & " in text
    row = pd.read_csv(run / "statistics/intervals.csv").query(
        "branch == 'retrain' and criterion == 'lrp_epsilon' and measure == 'mean_accuracy_over_rate'"
    )
    assert rf"lrp\_epsilon & {100 * row['mean'].iloc[0]:.1f} $\pm$ {100 * row['sd'].iloc[0]:.1f}" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 4


def test_names_cannot_act():
    assert escape(r"a_b&50%$x${\evil}#~^") == (
        r"a\_b\&50\%\$x\$\{\textbackslash{}evil\}\#\textasciitilde{}\textasciicircum{}"
    )


def test_every_row_has_as_many_cells_as_the_head(run):
    for block in (run / "tables.tex").read_text().split(r"\toprule")[1:]:
        lines = [line for line in block.split(r"\bottomrule")[0].splitlines() if line.endswith(r"\\")]
        assert len({line.replace(r"\&", "").count(" & ") for line in lines}) == 1 and len(lines) > 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_accepts_it(run, tmp_path):
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{%s}\end{document}"
    (tmp_path / "page.tex").write_text(page % (run / "tables.tex"))
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, check=True)


def test_a_table_is_whole():
    text = table(["a", "b"], [["1", "2"]], "lr", "Words.")
    assert text.splitlines()[3:] == [
        r"\begin{tabular}{lr}", r"\toprule", r"a & b \\", r"\midrule", r"1 & 2 \\", r"\bottomrule", r"\end{tabular}",
        r"\end{table}",
    ]  # fmt: skip
