"""Where this process of the workflow stands: one plans the run and starts its jobs, others do a single job each."""

from typing import Any


def plans(workflow: Any) -> bool:
    """Whether this process plans, and is no job of one that did."""
    return bool(workflow.is_main_process)


def is_apart(workflow: Any) -> bool:
    """Whether Snakemake runs no handlers (`onstart` and so on) here.

    So it is of a module of another workflow, and where a process does a single job on another machine, which may share
    no folder. To be asked while the Snakefile is read: afterwards Snakemake speaks of the workflow that took it in.
    """
    return not (plans(workflow) and workflow.modifier.is_main_snakefile())
