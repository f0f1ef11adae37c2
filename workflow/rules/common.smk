# What the rules share: the resolved config, the warm process, and the sources and settings that a stage depends on.

import os
import shutil
from hashlib import sha256
from pathlib import Path

from secateur import config as configuration
from secateur import clock, running, server
from secateur.files import md5, write_json

SOURCE = Path(workflow.basedir) / "src" / "secateur"

try:
    resolved = configuration.resolve(dict(config))
except SecateurError as error:
    raise WorkflowError(str(error)) from None

# Not a param: where the bytes come from changes nothing, as long as their hash is right.
if "mirror" in resolved:
    os.environ.update(SECATEUR_MIRROR=resolved["mirror"])

SERVERS = []
DATASETS = configuration.datasets(resolved)
PARTS = configuration.parts(resolved)


def write_config(path):
    """Write the resolved config, which every job reads, unless it is there already."""
    try:
        there = Path(path).exists() and configuration.read_json(path) == resolved
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


def open_server():
    """Start the warm process that local jobs are forked from; jobs on a cluster start by themselves."""
    if workflow.local_exec:
        SERVERS.append(server.start())
        clock.watch()


def close_server():
    """End the warm process."""
    clock.unwatch()
    while SERVERS:
        server.stop(SERVERS.pop())


def remove_partial(results):
    """Remove what an earlier run, in which jobs had failed, made of the others."""
    shutil.rmtree(f"{results}/partial", ignore_errors=True)
    Path(f"{results}/report.partial.html").unlink(missing_ok=True)


def code(*places):
    """Hash of the sources that a stage's results depend on, as a param: an edit reruns the stage.

    `places` are files and folders of src/secateur; a folder counts with all that is in it.
    """
    found = [
        SOURCE / f"{name}.py" for name in ("files", "seeds", "tablefile", "tensorfile")
    ]
    for place in places:
        path = SOURCE / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    hashes = "".join(md5(path) for path in found)
    return sha256(hashes.encode()).hexdigest()[:16]


def contents(paths):
    """Hash of files as a param, beside the input that they are: Snakemake looks at an input's content only when its
    time is newer than the output's, and a copied file or a clock that was set back makes a changed one look old.
    """
    return sha256("".join(md5(path) for path in paths).encode()).hexdigest()[:16]


def settings(*keys):
    """The part of the config that a job depends on: another value reruns it.

    `fewshot` comes without its `grid`, on which the rule `grid` alone depends.
    """
    found = {key: resolved[key] for key in (*keys, "run_seed", "threads", "device")}
    if "fewshot" in found:
        found["fewshot"] = {
            key: value for key, value in found["fewshot"].items() if key != "grid"
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
    """`settings`, with the study's own entry and its backbone's.

    The entry comes without its recipe, on which the rule `transfer` alone depends; the others depend on its models.
    """
    entry = resolved["studies"][study]
    return settings(*keys) | {
        "study": {key: value for key, value in entry.items() if key != "transfer"},
        "backbone": resolved["backbones"][entry["backbone"]],
    }


def results_of(wildcards, input):
    """The run's folder as a job sees it: a storage plugin puts a job's inputs elsewhere, side by side as they were."""
    paths = [str(path) for path in input if f"{RESULTS}/" in str(path)]
    return paths[0][: paths[0].rindex(f"{RESULTS}/")] + RESULTS if paths else RESULTS


def case_folder(wildcards, output):
    """Where a case is written."""
    return os.path.dirname(output[0])


def cases_folder(wildcards, input):
    """Where the cases of a study lie."""
    return os.path.dirname(os.path.dirname(input.scores[0]))
