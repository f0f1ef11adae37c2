# What the rules share: the resolved config, the warm process, and the sources and settings that a stage depends on.

import itertools
import json
import os
import shutil
from functools import cache
from hashlib import sha256
from pathlib import Path

from secateur import config as configuration
from secateur import (
    clock,
    config_datasets,
    loaded,
    running,
    sharing,
    shipped,
    sources,
    varying,
    warm,
)
from secateur.files import md5, read_json, write_json
from secateur.models import build
from secateur.ranking import registry
from secateur import repair
from secateur.repair import registry as remedies

try:
    resolved = configuration.resolve(dict(config))
except SecateurError as error:
    raise WorkflowError(str(error)) from None

CODES = {"jobs": {}, "planned": {}}
BESIDE = sources.beside()
# Neither a param nor part of what was run: where the bytes come from changes nothing, as long as their hash is right.
if "mirror" in resolved:
    os.environ.update(SECATEUR_MIRROR=resolved.pop("mirror"))

WARM = []
SHARED = sharing.SharedData("data")
MAKING_DATA = ("fetch", "dataset", "images")
DATASETS = config_datasets.datasets(resolved)
PARTS = configuration.parts(resolved)
# Those of the further networks of `variance.draws` too.
BLOCKS = PARTS | varying.blocks(resolved)


def brought(name):
    """A file that Secateur brings along, or this folder's own. Sources are `local`, in no bucket (docs/cluster.md)."""
    return local(str(shipped.find(name)))


def write_config(path):
    """Write the resolved config, which every job reads, unless it is there already."""
    try:
        there = Path(path).exists() and read_json(path) == resolved
    except SecateurError:  # damaged: written anew
        there = False
    if not there:
        write_json(path, resolved)


def check_clock(results):
    """Refuse to start where files' times cannot tell what is out of date; what a start began goes on."""
    if workflow.is_main_process:
        try:
            clock.check(results)
        except SecateurError as error:
            raise WorkflowError(str(error)) from None


def plan_data():
    """Wait, before it is looked at what data there are, for runs of other clones that share them; not in a dry run."""
    if (
        not APART
        and workflow.executor_plugin is not None
        and not (workflow.dryrun or workflow.touch)
        and SHARED.plan()
    ):
        workflow.iocache.clear()  # what was there before


def begin_data():
    """Keep the data to this run until it has made what it makes of them."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in MAKING_DATA]
    SHARED.begin(lambda: not all(workflow.dag.finished(job) for job in jobs))


def open_server():
    """Start the warm process that local jobs are forked from; jobs on a cluster start by themselves."""
    if workflow.local_exec:
        WARM.append(warm.start())
        clock.watch()


def lift_limit():
    """Let jobs of this machine start as soon as there is a core.

    Snakemake's limit on submissions per second looks at every job that is ready again after each second, once more for
    each job that has ended: of a run of 700 jobs it takes a third of a core. A cluster keeps it.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def close_server():
    """End the warm process."""
    clock.unwatch()
    while WARM:
        if (process := WARM.pop()) is not None:
            process.end()


def remove_partial(results):
    """Remove what an earlier run, in which jobs had failed, made of the others."""
    shutil.rmtree(f"{results}/partial", ignore_errors=True)
    Path(f"{results}/report.partial.html").unlink(missing_ok=True)


def code(command, criteria=None, files=()):
    """Hash of the sources that a stage's results depend on, as a param: an edit reruns the stage.

    They are found from the subcommand's imports (src/secateur/sources.py), and its job fails where it ran others
    (src/secateur/loaded.py), which the rule tells it by `--code {params.code}`. Of criteria and architectures those of
    the job's wildcards count, else all of the config; `criteria` names others, of the config's entries. `files` are
    what else it reads that no rule makes.
    """

    def found(wildcards):
        given = dict(wildcards.items())
        named = [given["criterion"]] if "criterion" in given else CRITERIA
        chosen = tuple(named if criteria is None else criteria)
        return code_of(command, chosen, architectures_of(given), tuple(files))

    return found


@cache
def code_of(command, criteria, architectures, files):
    """The hash that `code` stands for, of the sources as they are when the workflow starts."""
    key = json.dumps([command, criteria, architectures, files])
    if not workflow.is_main_process and key in code_before():
        return code_before()[key]
    behind = [
        registry.source_of(entry_of(name)["criterion"], resolved["criteria_path"])
        for name in criteria
    ]
    brought = filter(None, map(build.behind, architectures))
    chosen = {
        "criteria": [sources.Chosen(each.loaded_as, each.path) for each in behind],
        "architectures": [sources.Chosen(each.module, each.path) for each in brought],
        "remedies": [
            sources.Chosen(f"secateur.remedies.{name}", remedies.FOLDER / f"{name}.py")
            for name in dict.fromkeys(
                itertools.chain(
                    *(repair.tried(resolved, study) for study in resolved["studies"])
                )
            )
        ],
    }
    try:
        counted = sources.of_command(command, chosen)
    except SecateurError as error:
        raise WorkflowError(str(error)) from None
    read = {str(path): md5(path) for path in files}
    found = sources.digest(counted | {Path(path).name: read[path] for path in read})
    CODES["jobs"][found] = {"sources": counted, "beside": BESIDE, "files": read}
    CODES["planned"][key] = found
    if APART:
        before = read_json(CODE) if Path(CODE).exists() else {}
        write_json(CODE, {kind: before.get(kind, {}) | CODES[kind] for kind in CODES})
    return found


@cache
def code_before():
    """What the process that planned the run has written: what a job is for → the hash of its sources."""
    try:
        return read_json(CODE)["planned"]
    except SecateurError:
        return {}


def write_code():
    """Write down which sources the jobs are planned with, for them to compare."""
    for job in workflow.dag.jobs:
        job.params
    write_json(CODE, CODES)


def architectures_of(given):
    """The architectures that a job with these wildcards may build."""
    if "architecture" in given:
        return (given["architecture"],)
    if "study" in given:
        names = [resolved["studies"][given["study"]]["backbone"]]
    else:
        names = [given["backbone"]] if "backbone" in given else resolved["backbones"]
    return tuple(resolved["backbones"][name]["architecture"] for name in names)


def contents(paths):
    """Hash of files as a param, beside the input that they are: Snakemake looks at an input's content only when its
    time is newer than the output's, and a copied file or a clock that was set back makes a changed one look old.
    """
    return sha256("".join(md5(path) for path in paths).encode()).hexdigest()[:16]


def settings(*keys):
    """The part of the config that a job depends on: another value reruns it.

    `fewshot` comes without its `grid` and what it says of remedies, on which rules of those names alone depend, `retrain` without
    its `controls`, which are jobs of their own.
    """
    found = {key: resolved[key] for key in (*keys, "run_seed", "threads", "device")}
    for branch, apart in (
        ("fewshot", ("grid", "remedies", "repaired_samples_per_class")),
        ("retrain", ("controls",)),
    ):
        if branch in found:
            found[branch] = {
                key: value for key, value in found[branch].items() if key not in apart
            }
    return found


def backbone_settings(name):
    """`settings` of the job that makes a backbone's weights: with the content of a file, or the recipe of a training."""
    backbone = resolved["backbones"][name]
    weights, found = backbone["weights"], settings() | {"backbone": backbone}
    if "pretrain" in weights:
        return found | {"recipe": resolved["training"]["pretrain"]}
    if "file" in weights and Path(weights["file"]).is_file():
        return found | {"content": contents([weights["file"]])}
    return found


def study_settings(study, *keys):
    """`network_settings`, with what its seeds differ in."""
    return network_settings(study, "vary", *keys)


def network_settings(study, *keys):
    """`settings`, with the study's own entry and its backbone's: all that a network with any weights depends on.

    The entry comes without its recipe, on which the rule `transfer` alone depends (the others depend on its models), and
    without its remedies.
    """
    entry = resolved["studies"][study]
    return settings(*keys) | {
        "study": {
            key: value
            for key, value in entry.items()
            if key not in ("transfer", "remedies")
        },
        "backbone": resolved["backbones"][entry["backbone"]],
    }


def results_of(wildcards, input):
    """The run's folder as a job sees it: a storage plugin puts a job's inputs elsewhere, side by side as they were."""
    paths = [str(path) for path in input if f"{RESULTS}/" in str(path)]
    return paths[0][: paths[0].rindex(f"{RESULTS}/")] + RESULTS if paths else RESULTS


def case_folder(wildcards, input, output):
    """Where a case is written."""
    return os.path.dirname(output[0])


def cases_folder(wildcards, input, output):
    """Where the cases of a study lie."""
    return os.path.dirname(os.path.dirname(input.scores[0]))
