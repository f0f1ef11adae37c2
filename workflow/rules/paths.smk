# Where the files of each job lie: inputs by wildcards, and all files that the run must have written.

import json
from shlex import quote

from secateur import layout
from secateur.files import expanded


def files_of(wildcards):
    """What a dataset is made from: what was fetched, the user's own images, or nothing where it is embedded."""
    plan_data()
    entry = DATASETS[wildcards.dataset]
    if "path" in entry:
        return [local(str(expanded(entry["path"], "datasets")))]
    return [f"data/archives/{wildcards.dataset}"] if "files" in entry else []


def what_to_fetch(wildcards):
    """The part of a dataset's entry that says what is fetched, as JSON: nothing else makes it be fetched again."""
    entry = DATASETS[wildcards.dataset]
    return json.dumps({key: entry[key] for key in ("files", "how") if key in entry})


def architecture_options(wildcards):
    """The options that name where the architecture is to be found, where it is one of the user's own."""
    brought = build.behind(wildcards.architecture)
    inside = brought is None or brought.path.is_relative_to(Path(build.__file__).parent)
    folders = [] if inside else resolved["architectures_path"]
    return " ".join(f"--architectures-path {quote(folder)}" for folder in folders)


def source_option(wildcards, input):
    """The option that names what a dataset is made from, where it is made from files."""
    return f"--source {quote(input.source[0])}" if files_of(wildcards) else ""


def dataset_of(wildcards):
    """Folder of the study's dataset, prepared for its backbone."""
    study = resolved["studies"][wildcards.study]
    return str(
        layout.prepared(study["dataset"], resolved["backbones"][study["backbone"]])
    )


def images_of_studies():
    """Folders of all studies' prepared images, whose classes the statistics and the page speak of."""
    return sorted(
        {
            str(
                layout.prepared(
                    study["dataset"], resolved["backbones"][study["backbone"]]
                )
            )
            for study in resolved["studies"].values()
        }
    )


def source_of(wildcards):
    """What a backbone's weights are made of: the images that it is pretrained on, the user's file, or nothing."""
    backbone = resolved["backbones"][wildcards.backbone]
    weights = backbone["weights"]
    if "pretrain" in weights:
        return [str(layout.prepared(weights["pretrain"], backbone))]
    return [local(weights["file"])] if "file" in weights else []


def backbones_of(wildcards):
    """Weights of the study's backbone: of each seed of the part, where the pretraining varies, else one for all."""
    name = resolved["studies"][wildcards.study]["backbone"]
    if "pretraining" not in resolved["vary"]:
        return [f"{RESULTS}/backbones/{name}.safetensors"]
    return [
        f"{RESULTS}/backbones/{name}-{varying.draw_of(resolved, 'pretraining', seed)}.safetensors"
        for seed in BLOCKS[wildcards.part]
    ]


def units_of(wildcards):
    """What of the study's network can be removed."""
    return f"{RESULTS}/units/{wildcards.study}.safetensors"


def part_of(seed):
    """The block of seeds that `seed` is in."""
    return next(part for part, seeds in BLOCKS.items() if int(seed) in seeds)


def models_of(wildcards):
    """Weights of the models among which that of one seed is."""
    return f"{RESULTS}/models/{wildcards.study}/{part_of(wildcards.seed)}.safetensors"


def samples_of(wildcards):
    """Reference samples among which those of one seed are."""
    return f"{RESULTS}/samples/{wildcards.study}/{part_of(wildcards.seed)}.csv"


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


def toy_folder(wildcards, input):
    """Where the 2-D study's files lie."""
    return f"{results_of(wildcards, input)}/toy"


def gallery_folder(wildcards, input):
    """Where the pictures lie."""
    return f"{results_of(wildcards, input)}/gallery"


def published():
    """Published figures of the 2-D study, to compare with."""
    return [
        brought(f"report/published/{name}")
        for name in ("toy_published.csv", "toy_differences.yaml")
    ]
