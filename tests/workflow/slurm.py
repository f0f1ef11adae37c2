"""A real Slurm of one node, from Debian's packages, for as long as a test needs it.

The plugin of Snakemake empties every SLURM_* variable, so Slurm's config can only lie at its own place, /etc/slurm: it
is written there, if there is none, and removed in the end. Only root may do so.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")
PLACE = Path("/etc/slurm")
CARD = "/dev/null"
"""Stands for a card: Slurm counts it and gives it out, nothing computes on it."""
CONFIG = """\
ClusterName=secateur
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
GresTypes=gpu
MinJobAge=600
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} RealMemory=64000 Gres=gpu:1
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no Slurm can be started here; "" where it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} here: apt-get install slurm-wlm munge (make slurm-test does it)"
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons"
    if any((PLACE / name).exists() for name in ("slurm.conf", "gres.conf")):
        return f"{PLACE} has a config: this machine belongs to a cluster, which is left alone"
    return ""


@contextlib.contextmanager
def running(cores: int) -> Iterator[Path]:
    """Slurm with one node of so many cores and one card; the folder of its logs."""
    started: list[subprocess.Popen[bytes]] = []
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    PLACE.mkdir(exist_ok=True)
    try:
        (PLACE / "slurm.conf").write_text(CONFIG.format(folder=folder, cores=cores), encoding="utf-8")
        (PLACE / "gres.conf").write_text(f"NodeName=localhost Name=gpu File={CARD}\n", encoding="utf-8")
        if not Path("/run/munge/munge.socket.2").exists():
            for place in ("/etc/munge", "/var/lib/munge", "/var/log/munge", "/run/munge"):
                Path(place).mkdir(exist_ok=True, parents=True)
                for path in (Path(place), *Path(place).iterdir()):
                    shutil.chown(path, "munge", "munge")
            started.append(
                subprocess.Popen(
                    ["munged", "--foreground"], stderr=subprocess.DEVNULL, user="munge", group="munge", extra_groups=[]
                )
            )
            _until(lambda: Path("/run/munge/munge.socket.2").exists(), "munged did not start")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(["slurmctld", "-D"], **quiet))
        started.append(subprocess.Popen(["slurmd", "-D", "-N", "localhost"], **quiet))
        _until(lambda: "idle" in _said("sinfo", "--noheader", "--format=%T"), f"no idle node; see the logs in {folder}")
        yield folder
    finally:
        _said("scancel", "--user=root")
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in ("slurm.conf", "gres.conf"):
            (PLACE / name).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def jobs() -> str:
    """What Slurm says of every job that it has had."""
    return _said("scontrol", "show", "jobs")


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _until(true, otherwise: str, seconds: float = 15.0) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(otherwise)
        time.sleep(0.1)
