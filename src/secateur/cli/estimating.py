"""What `secateur plan --cost` prints: hours of each study, from a short measurement, held against a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secateur import workload
from secateur.cli.application import said
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.workload import Speed, Work

if TYPE_CHECKING:
    import pandas as pd

STAGES = [
    "transfer", "rank", "redraw", "unpruned", "fewshot", "repair", "decompose", "grid", "retrain", "retrain_unpruned",
    "scratch", "cost", "latency", "gallery",
]  # fmt: skip


def estimate(
    config: dict[str, Any], folder: Path, device: str | None, macs_per_second: float | None, file: str | Path
) -> None:
    """Print hours by study and stage; where `folder` has a finished run of the config, also estimated ÷ measured.

    Args:
        config: the resolved config.
        folder: of the run's results, if it has any.
        device: to measure on, in place of the config's.
        macs_per_second: instead of measuring, the multiply-accumulates a second that the device reaches.
        file: that the config was read from, for advice.

    Raises:
        SecateurError: the sizes of a dataset are not known, or the device is not here.
    """
    import torch

    from secateur.branches import throughput
    from secateur.models import devices

    if macs_per_second is not None and not macs_per_second > 0:
        raise SecateurError(f"--macs-per-second: {macs_per_second:g} is no speed; give a number above 0, e.g. 2e13.")
    most = counted(config, file, lambda _: workload.whole)
    torch.set_num_threads(config["threads"])
    used = list(dict.fromkeys(entry["backbone"] for entry in config["studies"].values()))
    speeds: dict[str, Speed] = {}
    for backbone in used:
        if macs_per_second is None:
            said(f"measuring {backbone}")
            speeds[backbone] = throughput.measure(config, backbone, device)
        else:
            macs = throughput.macs(config, backbone)
            speeds[backbone] = Speed(macs, macs_per_second / macs, macs_per_second / macs)
    if macs_per_second is None:
        where = devices.of(devices.chosen(device or config["device"])).name()
    else:
        where = f"a device of {macs_per_second:.3g} multiply-accumulates a second, given by --macs-per-second"

    works = counted(config, file, lambda study: throughput.left(config, study))
    hours = tabulated(works, speeds, config)
    hours["at most"] = tabulated(most, speeds, config)["all"]
    print(f"Run {config['run']} on {where}: hours of jobs, one after the other on one such device.\n")
    for backbone, speed in speeds.items():
        print(
            f"{backbone}: {speed.macs / 1e6:,.0f} million multiply-accumulates an image; {speed.forward:,.0f} images/s "
            f"evaluated, {speed.training / workload.TRAINING:,.0f} images/s trained, "
            f"{1e3 * speed.network:,.1f} ms to prune a network"
        )
    print(f"\n{hours.to_string(index=False, float_format=lambda value: f'{value:,.2f}')}")
    print(f"\nAll studies: {hours['all'].sum():,.2f} to {hours['at most'].sum():,.2f} hours.")
    print(
        "The first is right where a pruned network's time falls as its multiply-accumulates, if all layers lose the\n"
        "same share of the units that the scope offers; the second where it takes as long as the whole one, as small\n"
        "networks do."
    )
    if too_few := few_seeds(config):
        print(too_few)
    unknown = [
        entry["name"] for entry in config["criteria"] if workload.passes_of(entry, config["criteria_path"]) is None
    ]
    if unknown:
        print(f"Not counted, as their passes are not known beforehand: ranking by {', '.join(unknown)}.")
    print(
        "Not counted: fetching and preparing data, pretraining, tuning, the 2-D study, tables and page, start-up\n"
        "(3 to 8 s a job). Counted, but left out by a network with one kind of units alone: grid."
    )
    compared = held_against(works, most, speeds, config, folder)
    if compared is not None:
        print(f"\nHeld against the finished run in {folder}, seconds of its jobs' work:\n")
        print(compared.to_string(index=False, float_format=lambda value: f"{value:,.2f}"))


def few_seeds(config: dict[str, Any], alpha: float = 0.05) -> str:
    """A warning where no difference between two criteria, however clear, could pass the correction for all pairs."""
    from secateur.analysis.paired import blocks_needed

    criteria, seeds = len(config["criteria"]), config["seeds"]
    pairs = criteria * (criteria - 1) // 2
    needed = blocks_needed(alpha, comparisons=pairs) if pairs else 0
    if seeds >= needed:
        return ""
    return (
        f"Note: with {seeds} seeds no pair of the {criteria} criteria can be told apart after Holm's correction for\n"
        f"all {pairs} pairs; {needed} seeds can. Verdicts on claims compare fewer; `secateur plan` without --cost\n"
        "says what they need."
    )


def counted(
    config: dict[str, Any],
    file: str | Path,
    left: Callable[[str], Callable[[float], float]] = lambda _: workload.left,
) -> list[Work]:
    """The work of every study and stage; an error names the dataset whose sizes are not known.

    `file`: that the config was read from. `left`: study -> what its pruned networks cost, see `workload.of_study`.
    """
    every: list[Work] = []
    for study, entry in config["studies"].items():
        works = workload.of_study(config, study, left(study))
        if works is None:
            raise SecateurError(
                f"studies.{study}: the sizes of dataset '{entry['dataset']}' are not known. Make it first "
                f"(snakemake data/{entry['dataset']} --cores all --configfile {file}), or give "
                "`sizes: {train: ..., test: ..., classes: ...}` in its entry."
            )
        every += works
    return every


def tabulated(works: list[Work], speeds: dict[str, Speed], config: dict[str, Any]) -> pd.DataFrame:
    """Hours: one row a study, one column a stage that there is, and `all`."""
    import pandas as pd

    rows = [
        {"study": work.study, "stage": work.stage, "hours": work.seconds(_speed(work, speeds, config)) / 3600}
        for work in works
    ]
    table = pd.DataFrame(rows).pivot(index="study", columns="stage", values="hours").loc[list(config["studies"])]
    table = table[[stage for stage in STAGES if stage in table]]
    return table.assign(all=table.sum(axis=1)).reset_index()


def held_against(
    works: list[Work], most: list[Work], speeds: dict[str, Speed], config: dict[str, Any], folder: Path
) -> pd.DataFrame | None:
    """Both estimates and measured seconds by stage, and ratios to the measured; None where no stage is complete.

    `folder` has the run. Measured is what the jobs wrote of their own work: the processor's seconds of a run with one
    thread on a CPU, else the clock's. Stages without a file for each of their jobs are left out; so are all, where the
    run's config is another.
    """
    import pandas as pd

    ran = folder / "config.json"
    if not ran.exists() or read_json(ran) != config:
        return None
    key = "work_cpu_seconds" if config["device"] == "cpu" and config["threads"] == 1 else "work_wall_seconds"
    rows = []
    for stage in STAGES:
        lower, upper = ([work for work in bound if work.stage == stage] for bound in (works, most))
        files = sorted((folder / "usage" / stage).glob("*.json"))
        if lower and len(files) == sum(work.jobs for work in lower):
            estimated, at_most = (sum(work.seconds(_speed(work, speeds, config)) for work in x) for x in (lower, upper))
            measured = sum(read_json(path)[key] for path in files)
            rows.append({"stage": stage, "estimated": estimated, "at most": at_most, "measured": measured})
    if not rows:
        return None
    table = pd.DataFrame(rows)
    table.loc[len(table)] = {"stage": "all", **table.drop(columns="stage").sum()}
    for column in ("estimated", "at most"):
        table[f"{column} ÷ measured"] = table[column] / table["measured"]
    return table


def _speed(work: Work, speeds: dict[str, Speed], config: dict[str, Any]) -> Speed:
    return speeds[config["studies"][work.study]["backbone"]]
