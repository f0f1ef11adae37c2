# What rules must know of a criterion: its entry, its file, its tuned options, and which are rules of the user's own.

from os.path import relpath

from secateur import config as configuration
from secateur.ranking import registry


def entry_of(name):
    """The config's entry of a criterion."""
    return next(item for item in resolved["criteria"] if item["name"] == name)


def criterion_code(name):
    """The file of the criterion behind an entry of the config. Sources are `local`, in no bucket (docs/cluster.md)."""
    path = registry.path_of(entry_of(name)["criterion"], resolved["criteria_path"])
    inside = path.resolve().is_relative_to(Path.cwd())
    return local(relpath(path) if inside else str(path.resolve()))


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


def in_cases(file):
    """That file in the case of every seed and sample count of a study and part."""

    def found(wildcards):
        return [
            f"{RESULTS}/cases/{wildcards.study}/{seed}-{samples}/{file}"
            for seed in BLOCKS[wildcards.part]
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


def criterion_settings(study, criterion, *keys):
    """`study_settings`, with the criterion's own entry."""
    return study_settings(
        study, "scope", "scheme", "budget", "min_units", "batch_size", *keys
    ) | {"criterion": entry_of(criterion)}
