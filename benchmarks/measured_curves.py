"""Measures of a run's curves, seed by seed, for the simulations of calibration.py: writes measured_curves.csv.

python benchmarks/measured_curves.py results/measured_curves [--output benchmarks/measured_curves.csv]

The run is that of benchmarks/measured_curves.yaml. Measures come from its curves by the code that judges a run.
"""

import argparse
from pathlib import Path

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.measures import measure_all
from secateur.analysis.simulation import RIVALS
from secateur.analysis.statistics import write_csv

MEASURES = ("mean_accuracy_over_rate", "accuracy_at_rate", "unpruned_accuracy")
CRITERIA = ["lrp", *RIVALS]


def measured(curves: pd.DataFrame) -> pd.DataFrame:
    """One row a study, branch, measure, rate `at` and seed; one column a criterion, rounded to six decimals."""
    found = measure_all(curves)
    chosen = found[found["measure"].isin(MEASURES) & found["criterion"].isin(CRITERIA)]
    index = ["study", "branch", "measure", "at", "seed"]
    wide = chosen.assign(at=chosen["at"].fillna(-1.0)).pivot(index=index, columns="criterion", values="value")
    wide = wide[CRITERIA].dropna().round(6).reset_index()
    return wide.assign(at=wide["at"].where(wide["at"] >= 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    found = measured(tables.read(options.run / "tables", "curves"))
    write_csv(options.output, found)
    print(f"{options.output}: {len(found)} rows, {found['seed'].nunique()} seeds of {found['study'].nunique()} studies")


if __name__ == "__main__":
    main()
