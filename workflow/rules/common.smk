# What the rules share: the resolved config, the sources that a stage depends on, and the list of all jobs.

import json
import math
import os
import shutil
from functools import cache
from hashlib import sha256
from os.path import relpath
from pathlib import Path
from shlex import quote

from secateur import config as configuration
from secateur import clock, layout, running, server, workload
from secateur.files import md5, write_json
from secateur.ranking import registry

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

# Cards that a job needs. `auto` looks for one on this machine: without it jobs share the cores instead of queueing for
# a card. On a cluster whose first machine has none, the config says `device: cuda`.
GPU = int(
    resolved["device"] == "cuda"
    or (resolved["device"] == "auto" and shutil.which("nvidia-smi") is not None)
)

# What a cluster is asked for (docs/cluster.md). Upper bounds: VGG-16 has the most multiply-accumulates a pixel of the
# paper's networks, and the speeds are those of an old card and an old core at a tenth of their peak. A job that still
# needs more is given more at its next attempt.
MACS_A_PIXEL = 310_000
MACS_A_SECOND = 1e12 if GPU else 5e9 * resolved["threads"]
SHORTEST_MINUTES = 20


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


def entry_of(name):
    """The config's entry of a criterion."""
    return next(item for item in resolved["criteria"] if item["name"] == name)


def criterion_code(name):
    """The file of the criterion behind an entry of the config. Sources are `local`, in no bucket (docs/cluster.md)."""
    return local(
        relpath(
            registry.path_of(entry_of(name)["criterion"], resolved["criteria_path"])
        )
    )


def rules_of_users():
    """Criteria of the config that are Snakemake rules: name of the criterion and its file."""
    chosen = [
        item["criterion"]
        for item in resolved["criteria"]
        if configuration.is_rule(resolved, item)
    ]
    return {
        name: registry.path_of(name, resolved["criteria_path"]).resolve()
        for name in chosen
    }


def part_of(seed):
    """The block of seeds that `seed` is in."""
    return next(part for part, seeds in PARTS.items() if int(seed) in seeds)


def models_of(wildcards):
    """Weights of the models among which that of one seed is."""
    return f"{RESULTS}/models/{wildcards.study}/{part_of(wildcards.seed)}.safetensors"


def samples_of(wildcards):
    """Reference samples among which those of one seed are."""
    return f"{RESULTS}/samples/{wildcards.study}/{part_of(wildcards.seed)}.csv"


def in_cases(file):
    """That file in the case of every seed and sample count of a study and part."""

    def found(wildcards):
        return [
            f"{RESULTS}/cases/{wildcards.study}/{seed}-{samples}/{file}"
            for seed in PARTS[wildcards.part]
            for samples in resolved["fewshot"]["samples_per_class"]
        ]

    return found


def tuned_of(criterion):
    """The options that were tuned for a study and part, where the criterion has any to tune."""
    path = f"{RESULTS}/tuning/{{study}}/{criterion}/{{part}}.parquet"
    return [path] if "tune" in entry_of(criterion) else []


def tuned_of_round(wildcards):
    """The same, for a rule of all criteria."""
    return [path.format(**wildcards) for path in tuned_of(wildcards.criterion)]


def tuned_option(wildcards, input):
    """The command line's option for them."""
    return f"--tuned {input.tuned}" if input.tuned else ""


def retrain_code(wildcards):
    """What a round of retraining ranks by: the criterion's file; of a rule also its scores, which say when it changed."""
    name = wildcards.criterion
    ranking = (
        f"{RESULTS}/rankings/{wildcards.study}/{name}/{wildcards.part}.safetensors"
    )
    return [criterion_code(name)] + (
        [ranking] if configuration.is_rule(resolved, entry_of(name)) else []
    )


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


@cache
def work_of(study):
    """Stage of a study → what one of its jobs computes, in passes of one image; nothing where sizes are unknown."""
    return {
        work.stage: (work.forward + work.training) / work.jobs
        for work in workload.of_study(resolved, study) or []
    }


def minutes_of(stage):
    """The running time to ask for, as a function of wildcards and attempt: doubled at every attempt."""

    def minutes(wildcards, attempt):
        if "study" in wildcards.keys():
            passes = work_of(wildcards.study).get(stage, 0)
            backbone = resolved["studies"][wildcards.study]["backbone"]
        else:
            backbone = wildcards.backbone
            work = workload.of_backbone(resolved, backbone)
            passes = work.forward + work.training if work else 0
        pixels = resolved["backbones"][backbone]["size"] ** 2
        expected = passes * pixels * MACS_A_PIXEL / MACS_A_SECOND / 60
        return (SHORTEST_MINUTES + math.ceil(expected)) * 2 ** (attempt - 1)

    return minutes


def memory_of(wildcards, attempt):
    """The MB to ask for: libraries, and without a card the signals of a batch; half as much again at every attempt."""
    libraries, signals = 4000, 0
    if not GPU:
        name = (
            resolved["studies"][wildcards.study]["backbone"]
            if "study" in wildcards.keys()
            else wildcards.backbone
        )
        # Some 400 numbers of 4 bytes for each pixel of an image, as VGG-16 has them in training.
        batch, pixels = (
            resolved["batch_size"],
            resolved["backbones"][name]["size"] ** 2,
        )
        signals = batch * pixels * 1600 // 10**6
    return (libraries + signals) * (attempt + 1) // 2


def study_settings(study, *keys):
    """`settings`, with the study's own entry and its backbone's.

    The entry comes without its recipe, on which the rule `transfer` alone depends; the others depend on its models.
    """
    entry = resolved["studies"][study]
    return settings(*keys) | {
        "study": {key: value for key, value in entry.items() if key != "transfer"},
        "backbone": resolved["backbones"][entry["backbone"]],
    }


def criterion_settings(study, criterion, *keys):
    """`study_settings`, with the criterion's own entry."""
    return study_settings(
        study, "scope", "scheme", "budget", "min_units", "batch_size", *keys
    ) | {"criterion": entry_of(criterion)}


def files_of(wildcards):
    """What a dataset is made from: what was fetched, the user's own images, or nothing where it is embedded."""
    entry = DATASETS[wildcards.dataset]
    if "path" in entry:
        return [local(str(Path(entry["path"]).expanduser()))]
    return [f"data/archives/{wildcards.dataset}"] if "files" in entry else []


def what_to_fetch(wildcards):
    """The part of a dataset's entry that says what is fetched, as JSON: nothing else makes it be fetched again."""
    entry = DATASETS[wildcards.dataset]
    return json.dumps({key: entry[key] for key in ("files", "how") if key in entry})


def source_option(wildcards, input):
    """The option that names what a dataset is made from, where it is made from files."""
    return f"--source {quote(input.source[0])}" if files_of(wildcards) else ""


def dataset_of(wildcards):
    """Folder of the study's dataset, prepared for its backbone."""
    study = resolved["studies"][wildcards.study]
    return str(
        layout.prepared(study["dataset"], resolved["backbones"][study["backbone"]])
    )


def source_of(wildcards):
    """What a backbone's weights are made of: the images that it is pretrained on, the user's file, or nothing."""
    backbone = resolved["backbones"][wildcards.backbone]
    weights = backbone["weights"]
    if "pretrain" in weights:
        return [str(layout.prepared(weights["pretrain"], backbone))]
    return [local(weights["file"])] if "file" in weights else []


def backbone_of(wildcards):
    """Weights of the study's backbone."""
    return f"{RESULTS}/backbones/{resolved['studies'][wildcards.study]['backbone']}.safetensors"


def units_of(wildcards):
    """What of the study's network can be removed."""
    return f"{RESULTS}/units/{wildcards.study}.safetensors"


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


def redrawn():
    """Score files of every study and criterion on other draws of reference samples."""
    return [f"{RESULTS}/{path}" for path in layout.redraws(resolved)]


def galleries():
    """Pictures of every study."""
    return [f"{RESULTS}/{path}" for path in layout.galleries(resolved)]


def boundaries():
    """Decision boundaries of the 2-D study."""
    return [
        f"{RESULTS}/toy/{name}.npz"
        for name in resolved.get("toy", {}).get("datasets", [])
    ]


def results_of(wildcards, input):
    """The run's folder as a job sees it: a storage plugin puts a job's inputs elsewhere, side by side as they were."""
    paths = [str(path) for path in input if f"{RESULTS}/" in str(path)]
    return paths[0][: paths[0].rindex(f"{RESULTS}/")] + RESULTS if paths else RESULTS


def toy_folder(wildcards, input):
    """Where the 2-D study's files lie."""
    return f"{results_of(wildcards, input)}/toy"


def gallery_folder(wildcards, input):
    """Where the pictures lie."""
    return f"{results_of(wildcards, input)}/gallery"


def case_folder(wildcards, output):
    """Where a case is written."""
    return os.path.dirname(output[0])


def cases_folder(wildcards, input):
    """Where the cases of a study lie."""
    return os.path.dirname(os.path.dirname(input.scores[0]))


def published():
    """Published figures of the 2-D study, to compare with."""
    return [
        local(f"report/published/{name}")
        for name in ("toy_published.csv", "toy_differences.yaml")
    ]
