"""The params of jobs: the command line of those of a study (stage.smk), and what all commands are told."""

from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any

from secateur.dag.code import Code
from secateur.dag.planned import PlannedRun

COMMAND = (
    "secateur --usage {params.usage} --code {params.code} {params.command} --config {params.config} {params.options} "
    "2>&1 | tee {log}"
)
OPTIONS = {
    "study": "study",
    "criterion": "criterion",
    "part": "seeds",
    "seed": "seed",
    "samples": "samples-per-class",
}
"""Wildcard → the option that it becomes."""
KNOWN_TO_COMMANDS = ("criterion", "criteria", "scores", "networks")
"""Inputs that commands find by themselves: files of criteria from the config, and what lies in cases."""


class Jobs:
    """The jobs of one run; `job("fewshot", …)` for an heir of `stage`, `job.alone("collect")` for others."""

    def __init__(self, run: PlannedRun, code: Code) -> None:
        self._run = run
        self._code = code

    def __call__(
        self,
        command: str,
        settings: Callable[..., Any],
        criteria: Iterable[str] | None = None,
        at_end: str = "",
        stage: str = "",
        **options: Any,
    ) -> dict[str, Any]:
        """The params from which the rule `stage` makes a job's command line.

        Args:
            command: the subcommand's words.
            settings: of the job's wildcards, the part of the config that it depends on.
            criteria: those whose sources count, by name, where they are not those of the wildcards (see `Code`).
            at_end: name of the input that is given last, without an option.
            stage: the name under which is written what the job took, by default the command's.
            options: further ones: a text with wildcards, or a function of wildcards, input and output, whose empty text
                leaves the option out.
        """
        stage = stage or command.replace(" --", "_").replace("-", "_")
        fixed = {name: options.pop(name) for name in OPTIONS if name in options}
        if "criterion" in fixed:
            criteria = [fixed["criterion"]]

        def named(wildcards: Any) -> dict[str, str]:
            known = dict(wildcards.items()) | fixed
            return {name: known[name] for name in OPTIONS if name in known}

        def line(wildcards: Any, input: Any, output: Any) -> str:
            pairs = [(OPTIONS[name], value) for name, value in named(wildcards).items()]
            for name, paths in input.items():
                if name not in (*KNOWN_TO_COMMANDS, at_end):
                    pairs += [(name, path) for path in ([paths] if isinstance(paths, str) else paths)]
            for name, value in options.items():
                if text := _text(value, wildcards, input, output):
                    pairs.append((name, text))
            words = [f"--{name.replace('_', '-')} {quote(str(value))}" for name, value in [*pairs, *output.items()]]
            return " ".join([*words, *map(quote, input[at_end] if at_end else [])])

        def usage(wildcards: Any) -> str:
            return f"{self._run.results}/usage/{stage}/{'-'.join(named(wildcards).values())}.json"

        return {
            "config": self._run.config_file,
            "command": command,
            "code": self._code(command.split()[0], criteria),
            "settings": settings,
            "options": line,
            "usage": usage,
        }

    def alone(
        self, command: str, name: str = "all", criteria: Iterable[str] | None = None, files: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The params `config`, `code` and `usage` of a rule with a command line of its own.

        Args:
            command: the subcommand's words.
            name: of the job among those of its rule, with wildcards.
            criteria, files: see `Code`.
        """
        return {
            "config": self._run.config_file,
            "code": self._code(command, criteria, files),
            "usage": f"{self._run.results}/usage/{command.split()[0]}/{name}.json",
        }


def _text(value: Any, wildcards: Any, input: Any, output: Any) -> str:
    """An option's value for one job."""
    if isinstance(value, str):
        return value.format(**dict(wildcards.items()))
    return str(value(wildcards, input, output))
