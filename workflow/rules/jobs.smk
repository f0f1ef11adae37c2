# How a job's command line comes from its rule (the rule `stage` in stage.smk, and its heirs), and what settings it
# depends on.

from shlex import quote

# Wildcard: the option that it becomes.
OPTIONS = {
    "study": "study",
    "criterion": "criterion",
    "part": "seeds",
    "seed": "seed",
    "samples": "samples-per-class",
}
# Inputs that commands find by themselves, from the config: files of criteria.
FOUND = ("criterion", "criteria")
# Parts of the config that several stages depend on.
VALIDATION = resolved["training"]["validation"]
IMAGES = resolved["fewshot"]["samples_per_class"]
# Where jobs of one study tell each other what they measured.
TOLD = f"{RESULTS}/shared/{{study}}/{{part}}"


COMMAND = (
    "secateur --usage {params.usage} --code {params.code} {params.command} --config {params.config} {params.options} "
    "2>&1 | tee {log}"
)


def job(
    command, settings, criteria=None, without=FOUND, at_end="", stage="", **options
):
    """The params from which the rule `stage` makes a job's command line.

    `settings` is the part of the config that the job depends on, of its wildcards; `criteria` those whose sources count,
    by name (see `code`); `options` are further ones: a text with wildcards, or a function of wildcards, input and
    output, whose empty text leaves the option out. Inputs named in `without` are no options, and the input `at_end` is
    given last, without one. What the job took is written under the name of its `stage`, by default the command's.
    """
    stage = stage or command.replace(" --", "_").replace("-", "_")
    fixed = {name: options.pop(name) for name in OPTIONS if name in options}

    def named(wildcards):
        known = dict(wildcards.items()) | fixed
        return {name: known[name] for name in OPTIONS if name in known}

    def line(wildcards, input, output):
        pairs = [(OPTIONS[name], value) for name, value in named(wildcards).items()]
        for name, paths in input.items():
            if name not in (*without, at_end):
                paths = [paths] if isinstance(paths, str) else paths
                pairs += [(name, path) for path in paths]
        for name, value in options.items():
            given = (
                value.format(**dict(wildcards.items()))
                if isinstance(value, str)
                else value(wildcards, input, output)
            )
            pairs += [(name, given)] if given else []
        words = [
            f"--{name.replace('_', '-')} {quote(str(value))}"
            for name, value in [*pairs, *output.items()]
        ]
        return " ".join([*words, *map(quote, input[at_end] if at_end else [])])

    def usage(wildcards):
        return f"{RESULTS}/usage/{stage}/{'-'.join(named(wildcards).values())}.json"

    return {
        "command": command,
        "code": code(command.split()[0], criteria),
        "settings": settings,
        "options": line,
        "usage": usage,
    }


def of_study(*keys, **more):
    """The settings of a stage of a study: `study_settings` with these keys of the config, and more, each with its value
    or a function of the wildcards."""

    def found(wildcards):
        return study_settings(wildcards.study, *keys) | valued(more, wildcards)

    return found


def of_criterion(*keys, name=None, **more):
    """The same of a stage of a criterion, which is that of the job's wildcard or `name`."""

    def found(wildcards):
        chosen = name or wildcards.criterion
        return criterion_settings(wildcards.study, chosen, *keys) | valued(
            more, wildcards
        )

    return found


def valued(more, wildcards):
    """Settings beside the keys of the config: those that are functions, of the job's wildcards."""
    return {
        name: value(wildcards) if callable(value) else value
        for name, value in more.items()
    }


def transfer_of(wildcards):
    """The recipe that a study's networks are transferred by."""
    return resolved["studies"][wildcards.study]["transfer"]


def remedies_of(wildcards):
    """What a study's pruned networks are repaired by, and at which sample counts."""
    return repair.tried(resolved, wildcards.study), repair.samples_tried(resolved)


def grid_of(wildcards):
    """The rates of filters and neurons, of a run that has a grid."""
    return resolved["fewshot"]["grid"]
