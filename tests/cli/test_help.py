"""`--help` answers at once: it imports none of the libraries of the experiments, which take seconds."""

import subprocess
import sys

import pytest
from tests.tiers import rows

HEAVY = (
    *(
        "torch",
        "torchvision",
        "timm",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
        "sklearn",
        "seaborn",
        "matplotlib",
        "altair",
    ),
    *("snakemake", "PIL", "safetensors", "huggingface_hub", "jinja2", "yaml", "jsonschema"),
)
WATCHED = """
import sys
from secateur.cli.server import main
sys.argv = ["secateur", *sys.argv[1:]]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", WATCHED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Usage: secateur" in done.stdout, done.stderr
    return set(done.stderr.split())


COMMANDS = ["", "prune", "rank", "fewshot", "retrain", "data prepare", "statistics", "report serve", "compare", "plan"]


@pytest.mark.parametrize("command", rows(COMMANDS, ["", "prune", "rank"]))
def test_help_imports_no_heavy_library(command):
    found = imported(*command.split(), "--help")
    assert "typer" in found and not found & set(HEAVY)


def test_the_watch_sees_what_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", "import yaml;" + WATCHED, "--help"], capture_output=True, text=True, timeout=300
    )
    assert "yaml" in done.stderr.split()


def test_the_command_asks_the_warm_process_before_it_imports_a_subcommand():
    """Hundreds of jobs do: their processes need a socket, and neither typer nor what it reads."""
    asks = "import sys; from secateur.cli.server import ask; assert ask([]) is None; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, timeout=300)
    ours = {name for name in done.stdout.split() if name.startswith("secateur")}
    assert ours == {"secateur", "secateur.cli", "secateur.cli.server", "secateur.loaded", "secateur.processes"}
    assert not {"typer", "click", "rich", *HEAVY} & set(done.stdout.split())
