"""The 2-D study beside the published figures: its tables and sentences on the page."""

from pathlib import Path

from secateur.analysis.tables import records
from secateur.report.drawing import read_statistics
from secateur.report.page_tables import Table, build, p_value, percent, plain, signed


def toy_tables(statistics: Path) -> list[Table]:
    """The 2-D study's comparison with the published figures and its ordering, where the run has them."""
    found = []
    if (statistics / "toy_published.csv").exists():
        found.append(build(
            "toy-published", "Published beside reproduced",
            "Accuracy after pruning. “Spread”: standard deviations over draws and sampling errors of both, added. "
            "Reproduced: the difference lies within it. Notes are explained in report/published/toy_differences.yaml.",
            read_statistics(statistics, "toy_published"), {
                "dataset": ("set", str), "criterion": ("criterion", str), "samples_per_class": ("samples", str),
                "variant": ("network", str), "references": ("references", str), "evaluated_on": ("on", str),
                "noise_sigma": ("noise", plain), "published_mean": ("published", percent),
                "ours_mean": ("ours", percent), "difference": ("difference", signed), "spread": ("spread", signed),
                "verdict": ("verdict", str), "note": ("note", str),
            }, "statistics/toy_published.csv",
        ))  # fmt: skip
    if (statistics / "toy_ordering.csv").exists():
        found.append(build(
            "toy-ordering", "The published ordering, tested",
            "LRP at least as good as weight, weight better than Taylor, Taylor better than gradient: one-sided "
            "permutation tests with networks as blocks.",
            read_statistics(statistics, "toy_ordering"), {
                "dataset": ("set", str), "variant": ("network", str), "references": ("references", str),
                "samples_per_class": ("samples", str), "better": ("better", str), "other": ("than", str),
                "difference": ("difference", signed), "low": ("from", signed), "high": ("to", signed),
                "p": ("p", p_value), "networks": ("n", plain), "pair": ("pair", str), "ordering": ("ordering", str),
            }, "statistics/toy_ordering.csv",
        ))  # fmt: skip
    return found


def toy_sentences(statistics: Path) -> list[str]:
    """How much of the published 2-D study is reproduced by the network that the authors ran, in words."""
    if not (statistics / "toy_cells.csv").exists():
        return []
    cells = read_statistics(statistics, "toy_cells")
    chosen = cells[(cells["dataset"] == "all") & (cells["variant"] == "authors") & (cells["references"] == "generated")]
    return [
        f"Of the {row['cells'] - row['not_measured']} published accuracies on the training points that this run "
        f"measured (of {row['cells']}), {row['reproduced']} are reproduced by the network that the authors ran; "
        f"on average ours differ by {100 * row['mean_absolute_difference']:.1f} percentage points."
        for row in records(chosen)
    ]
