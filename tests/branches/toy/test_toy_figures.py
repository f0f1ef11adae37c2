"""The further figures of the 2-D study: they show what the tables hold, and the same bytes every time."""

from pathlib import Path

import pandas as pd
import pytest

from secateur.analysis import toy_reproduction
from secateur.report import style, toy_figures

PUBLISHED = Path("report/published/toy_published.csv")


@pytest.fixture(scope="module")
def tables(finished: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    measured = toy_reproduction.read_measured(finished / "toy.parquet")
    # The small network stands in for the large one: its main table takes the place of the 1,000 removed neurons.
    measured["removed"] = measured["removed"].replace(40, toy_reproduction.PUBLISHED_REMOVED)
    stability = toy_reproduction.average_stability(pd.read_parquet(finished / "toy_stability.parquet"))
    stability["k"] = stability["k"].replace(40, toy_reproduction.PUBLISHED_REMOVED)
    return measured, toy_reproduction.compare(toy_reproduction.read_published(PUBLISHED), measured), stability


def svgs(tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], folder: Path) -> dict[str, str]:
    look = style.read("report/style.yaml", set(tables[0]["criterion"]))
    found = {}
    with style.theme(look, "toy"):
        for drawing in toy_figures.drawings(*tables, look):
            path = folder / f"{style.slug(*drawing.name)}.svg"
            path.write_bytes(style.svg(drawing.figure))
            found["/".join(drawing.name)] = path.read_text(encoding="utf-8")
            assert drawing.section == "toy" and drawing.caption and " · " in drawing.title
    return found


@pytest.mark.slow
def test_each_variant_has_its_four_figures(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    found = svgs(tables, tmp_path)
    kinds = ("cells", "references", "rates", "stability")
    assert set(found) == {f"fitted/{variant}/{kind}" for variant in ("authors", "text") for kind in kinds}
    cell = tables[1].query(
        "variant == 'text' and references == 'generated' and criterion == 'lrp' and samples_per_class == 1"
        " and evaluated_on == 'train' and dataset == 'moons'"
    )
    assert f"{100 * cell['ours_mean'].item():.1f} ± {100 * cell['ours_std'].item():.1f}" in found["fitted/text/cells"]
    for name in ("weight", "gradient", "taylor", "lrp", "random", "argsort"):
        assert name in found["fitted/text/stability"]


@pytest.mark.slow
def test_figures_are_the_same_bytes_every_time(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    assert svgs(tables, tmp_path) == svgs(tables, tmp_path)


def test_what_was_not_measured_has_no_figure(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    measured, comparison, _ = tables
    only = measured[
        (measured["references"] == "generated") & (measured["removed"] == toy_reproduction.PUBLISHED_REMOVED)
    ]
    found = svgs((only, comparison.iloc[:0], pd.DataFrame()), tmp_path)
    assert found == {}
