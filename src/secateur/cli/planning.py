"""`secateur plan`: how many seeds a config needs, from the spread of a pilot run, and what they would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secateur.cli.application import app
from secateur.errors import SecateurError

if TYPE_CHECKING:  # pandas takes half a second to import, which no other command should pay
    import pandas as pd

MAIN = "mean_accuracy_over_rate"
CHECKS = 200
"""Simulated runs that each planned verdict is checked by."""


@app.command()
def plan(
    effect: Annotated[
        float | None, typer.Option(help="True difference that must be found, beyond what a claim requires.")
    ] = None,
    power: Annotated[float, typer.Option(help="How often it must be found, between 0 and 1.")] = 0.8,
    config: Annotated[Path, typer.Option(help="The config to plan.")] = Path("config/demo.yaml"),
    run: Annotated[str, typer.Option(help="The pilot: a run's name or folder; else the config's own run.")] = "",
    claims: Annotated[Path, typer.Option(help="The claims to plan for.")] = Path("config/claims.yaml"),
    cost: Annotated[bool, typer.Option("--cost", help="Hours by study instead, without any pilot.")] = False,
    device: Annotated[str | None, typer.Option(help="With --cost: measured on cpu or cuda, not the config's.")] = None,
    macs_per_second: Annotated[
        float | None, typer.Option(help="With --cost: a device's speed, instead of measuring this one's.")
    ] = None,
) -> None:
    """Say how many seeds a config needs to find a difference, from a pilot run's variance; or what it costs (--cost).

    A pilot is any run of the same studies and criteria with three seeds or more. `--effect` is in the unit of the
    claim's measure: 0.02 of accuracy is two percentage points.

    With `--cost`, the passes of images through networks are counted from the config and divided by the speed of a
    short measurement on this machine; a finished run of the same config tells how far off that is.
    """
    if cost:
        from secateur.cli.estimating import estimate
        from secateur.config import read

        resolved = read(config)
        estimate(resolved, Path("results", run or resolved["run"]), device, macs_per_second, config)
        return
    if effect is None:
        raise SecateurError("--effect is missing: the true difference that must be found, e.g. 0.02 (or give --cost).")
    from secateur.analysis import claims as claim_files
    from secateur.analysis import effort, sample_size
    from secateur.analysis.forms import of_run
    from secateur.analysis.power import MOST_SEEDS
    from secateur.config import read

    resolved, folder = read(config), pilot(run, config)
    held = of_run(claim_files.read(claims), resolved["criteria"])
    measures = _measures(folder, resolved, config)
    planned = sample_size.plan(measures, held, effect, power)
    verdicts = planned[planned["rival"] == sample_size.ALL].reset_index(drop=True)
    sure = verdicts[verdicts["seeds_needed"].notna()]
    pairs = sample_size.pairs(measures, MAIN, held.alpha, effect, power)
    seeds = measures.groupby("study")["seed"].nunique()

    print(f"Pilot: {folder}, seeds: {', '.join(f'{name} {count}' for name, count in seeds.items())}.")
    print(f"To be found: a true difference of {effect:g} beyond what a claim requires, with power {power:g}.")
    print(f"Every test at alpha {held.alpha:g}, two-sided.")
    absent = [study for study in resolved["studies"] if study not in seeds]
    if absent:
        print(f"Not in the pilot, so not planned: {', '.join(absent)}.")
    _show("What varies, as standard deviations of the mean accuracy over rates", _varying(measures))
    verdicts["found"] = "–"
    for row, share in zip(sure.index, sample_size.checked(sure, measures, held, effect, CHECKS), strict=True):
        low, high = share.interval
        verdicts.loc[row, "found"] = f"{share.value:.2f} ({low:.2f}–{high:.2f})"
    columns = ["claim", "criterion", "study", "branch", "spread", "seeds_needed", "seeds_needed_upper", "found"]
    _show("Claims that are true by so much: seeds until the verdict is “supported”", verdicts[columns])
    _show(
        "Pairs of criteria: seeds until Wilcoxon's test finds the difference after Holm, for the pair that varies most",
        pairs.drop(columns=["measure", "seeds", "unit", "spread_upper"]),
    )
    print(
        "\nspread: standard deviation of the paired differences. seeds_needed_upper: should the true spread be the\n"
        f"upper {sample_size.UPPER:.0%} bound of the pilot's. found: share of {CHECKS} simulated runs with so many "
        "seeds and the\npilot's spread in which the verdict was given. fewest_seeds: with fewer no corrected test can "
        f"reach its\nlevel, whatever the data. >{MOST_SEEDS}: more are not looked for. Claims without rivals are not "
        "planned."
    )
    most = max((int(number) for number in sure["seeds_needed"]), default=0)
    settled = (
        f"{most} find {'all' if len(sure) == len(verdicts) else f'{len(sure)} of the'} {len(verdicts)} claims above"
    )
    print(f"\n{config} has {resolved['seeds']} seeds; {settled if most else f'no claim is found by {MOST_SEEDS}'}.")
    counts = sorted({resolved["seeds"], most} - {0})
    jobs = effort.measured(folder)
    if jobs.empty:
        print(f"Its cost is not known: {folder}/usage has no times of the pilot's jobs.")
    for count in counts if len(jobs) else []:
        _show(f"Cost with {count} seeds, on the pilot's device", effort.estimated(jobs, resolved, count))


def pilot(run: str, config: Path) -> Path:
    """The folder of the pilot: the run called `run` (a name under results/, or a folder), or the config's own.

    Raises:
        SecateurError: there is no such run with tables.
    """
    from secateur.config import read

    name = run or read(config)["run"]
    for folder in (Path(name), Path("results", name)):
        if (folder / "tables" / "curves.parquet").exists():
            return folder
    raise SecateurError(
        f"no pilot run '{name}': results/{name}/tables/curves.parquet is not there. Run a few seeds first "
        f"(snakemake --cores all --configfile {config}, with `seeds: 6`), or name another run with --run."
    )


def _measures(folder: Path, config: dict[str, Any], path: Path) -> pd.DataFrame:
    """The pilot's measures of the config's studies and criteria."""
    from secateur.analysis import sample_size, tables
    from secateur.analysis.measures import measure_all

    measures = measure_all(tables.read(folder / "tables", "curves"))
    names = [item["name"] for item in config["criteria"]]
    measures = measures[measures["study"].isin(list(config["studies"])) & measures["criterion"].isin(names)]
    seeds = measures.groupby("study")["seed"].nunique()
    if seeds.empty or seeds.max() < sample_size.FEWEST:
        raise SecateurError(
            f"{folder}: no pilot for {path}: it has {int(seeds.max()) if len(seeds) else 'no'} seed(s) of the studies "
            f"{', '.join(config['studies']) or '(none)'}; at least {sample_size.FEWEST} are needed. Run those, or name "
            "another run with --run."
        )
    return measures


def _varying(measures: pd.DataFrame) -> pd.DataFrame:
    from secateur.analysis.comparisons import variances
    from secateur.analysis.statistics import numbered

    components = variances(numbered(measures))
    components = components[components["measure"] == MAIN].assign(component="sd of " + components["component"])
    components["study"] = components["study"].where(components["scope"] == "study", "all studies")
    keys = ["study", "branch", "samples_per_class"]
    return components.pivot_table(index=keys, columns="component", values="sd", sort=False).reset_index()


def _show(title: str, table: pd.DataFrame) -> None:
    import pandas as pd

    shown = pd.DataFrame({name: [_text(str(name), value) for value in table[name]] for name in table})
    print(f"\n{title}\n{shown.to_string(index=False)}")


def _text(column: str, value: Any) -> str:
    """A cell: numbers with three digits, and what no number of seeds finds as such."""
    from secateur.analysis.power import MOST_SEEDS

    if str(value) in ("nan", "<NA>"):
        return f">{MOST_SEEDS}" if column.startswith("seeds_needed") else "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
