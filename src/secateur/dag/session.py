"""One start of the workflow: what is set up before it plans, when its jobs begin, and when they have ended."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from secateur import clock, loaded, running, sharing
from secateur.dag import place, warm
from secateur.dag.planned import PlannedRun
from secateur.errors import SecateurError
from secateur.files import read_json, write_json

MAKING_DATA = ("fetch", "dataset", "images")
"""Rules that write to data/, which runs share."""


class Session:
    """What a process of the workflow holds from its start to its end."""

    def __init__(self, run: PlannedRun, workflow: Any) -> None:
        """Set up what jobs find in their environment, and the config that they read where nothing else writes it.

        Args:
            run: what is planned.
            workflow: Snakemake's.

        Raises:
            WorkflowError: files' times cannot tell what is out of date. What a start began goes on.
        """
        self._run = run
        self._workflow = workflow
        self._apart = place.is_apart(workflow)
        self._shared = sharing.SharedData("data")
        self._warm: warm.Warm | None = None
        if run.mirror is not None:
            os.environ.update(SECATEUR_MIRROR=run.mirror)
        os.environ[loaded.VARIABLE] = run.code_file
        if place.plans(workflow):
            try:
                clock.check(run.results)
            except SecateurError as error:
                raise WorkflowError(str(error)) from None
        if self._apart:
            self._write_config()

    def plan_data(self) -> None:
        """Wait, before it is looked at what data there are, for runs of other clones that share them; not in a dry
        run.
        """
        workflow = self._workflow
        if (
            not self._apart
            and workflow.executor_plugin is not None
            and not (workflow.dryrun or workflow.touch)
            and self._shared.plan()
        ):
            workflow.iocache.clear()  # what was there before

    def begin(self, write_code: Callable[[], None]) -> None:
        """Before the first job; `write_code` writes down which sources the jobs are planned with."""
        self._write_config()
        self._begin_data()
        write_code()
        running.plan(self._run.plan_file, self._workflow.dag)
        if self._workflow.local_exec:  # jobs on a cluster start by themselves
            self._warm = warm.start()
            clock.watch()
            lift_limit(self._workflow)

    def succeed(self) -> None:
        """After the last job of a run without failures."""
        self._end("done")
        # What a run in which jobs had failed made of the others, and what is of use to the jobs of one run alone.
        for name in ("partial", "shared"):
            shutil.rmtree(f"{self._run.results}/{name}", ignore_errors=True)
        Path(f"{self._run.results}/report.partial.html").unlink(missing_ok=True)

    def fail(self) -> None:
        """After the last job of a run in which some have failed."""
        self._end("failed")

    def _end(self, state: str) -> None:
        self._shared.end()
        clock.unwatch()
        if self._warm is not None:
            self._warm.end()
            self._warm = None
        running.end(self._run.plan_file, state)

    def _write_config(self) -> None:
        """Write the resolved config, which every job reads, unless it is there already."""
        path = Path(self._run.config_file)
        try:
            there = path.exists() and read_json(path) == self._run.config
        except SecateurError:  # damaged: written anew
            there = False
        if not there:
            write_json(path, self._run.config)

    def _begin_data(self) -> None:
        """Keep the data to this run until it has made what it makes of them."""
        dag = self._workflow.dag
        jobs = [job for job in dag.needrun_jobs() if job.rule.name in MAKING_DATA]
        self._shared.begin(lambda: not all(dag.finished(job) for job in jobs))


def lift_limit(workflow: Any) -> None:
    """Let jobs of this machine start as soon as there is a core.

    Snakemake's limit on submissions per second looks at every job that is ready again after each second, once more for
    each job that has ended: of a run of 700 jobs it takes a third of a core. A cluster keeps it.
    """
    workflow.scheduler.job_rate_limiter = None
