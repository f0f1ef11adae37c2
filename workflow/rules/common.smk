# What the rules share: the resolved config, the sources that a stage depends on, and the list of all jobs.

import shutil
from hashlib import sha256
from os.path import relpath
from pathlib import Path

from secateur import config as configuration
from secateur import layout, server
from secateur.files import md5, write_json
from secateur.ranking import registry

SOURCE = Path(workflow.basedir) / "src" / "secateur"

try:
    resolved = configuration.resolve(dict(config))
except SecateurError as error:
    raise WorkflowError(str(error)) from None

SERVERS = []
PARTS = configuration.parts(resolved)

# Cards that a job needs: on a machine without one, jobs share the cores instead of queueing for a card.
GPU = int(
    resolved["device"] in ("auto", "cuda") and shutil.which("nvidia-smi") is not None
)


def write_config(path):
    """Write the resolved config, which every job reads, unless it is there already."""
    if not Path(path).exists() or configuration.read_json(path) != resolved:
        write_json(path, resolved)


def open_server():
    """Start the warm process that local jobs are forked from; jobs on a cluster start by themselves."""
    if workflow.local_exec:
        SERVERS.append(server.start())


def close_server():
    """End the warm process."""
    while SERVERS:
        server.stop(SERVERS.pop())


def code(*places):
    """Hash of the sources that a stage's results depend on, as a param: an edit reruns the stage.

    `places` are files and folders of src/secateur; a folder counts with all that is in it.
    """
    found = [SOURCE / "files.py", SOURCE / "seeds.py"]
    for place in places:
        path = SOURCE / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    hashes = "".join(md5(path) for path in found)
    return sha256(hashes.encode()).hexdigest()[:16]


def criterion_code(name):
    """The file of the criterion behind an entry of the config."""
    entry = next(item for item in resolved["criteria"] if item["name"] == name)
    return relpath(registry.path_of(entry["criterion"], resolved["criteria_path"]))


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


def study_settings(study, *keys):
    """`settings`, with the study's own entry and its backbone's."""
    entry = resolved["studies"][study]
    return settings(*keys) | {
        "study": entry,
        "backbone": resolved["backbones"][entry["backbone"]],
    }


def criterion_settings(study, criterion, *keys):
    """`study_settings`, with the criterion's own entry."""
    entry = next(item for item in resolved["criteria"] if item["name"] == criterion)
    return study_settings(
        study, "scope", "scheme", "budget", "min_units", "batch_size", *keys
    ) | {"criterion": entry}


def dataset_of(wildcards):
    """Folder of the study's dataset, prepared for its backbone."""
    study = resolved["studies"][wildcards.study]
    return str(
        layout.prepared(study["dataset"], resolved["backbones"][study["backbone"]])
    )


def source_of(wildcards):
    """Folder of the dataset on which the backbone is pretrained, prepared for it."""
    backbone = resolved["backbones"][wildcards.backbone]
    return str(layout.prepared(backbone["weights"]["pretrain"], backbone))


def backbone_of(wildcards):
    """Weights of the study's backbone."""
    return f"{RESULTS}/backbones/{resolved['studies'][wildcards.study]['backbone']}.safetensors"


def measured():
    """Every file that the branches must have written before the tables can be made."""
    return [
        f"{RESULTS}/{path}"
        for paths in layout.measurements(resolved).values()
        for path in paths
    ]


def ranked():
    """Score files of every study, criterion and part."""
    return [f"{RESULTS}/{path}" for path in layout.rankings(resolved)]


def boundaries():
    """Decision boundaries of the 2-D study."""
    return [
        f"{RESULTS}/toy/{name}.npz"
        for name in resolved.get("toy", {}).get("datasets", [])
    ]


def toy_folder(wildcards):
    """Where the 2-D study's files lie."""
    return f"{RESULTS}/toy"


def published():
    """Published figures of the 2-D study, to compare with."""
    return [
        f"report/published/{name}"
        for name in ("toy_published.csv", "toy_differences.yaml")
    ]
