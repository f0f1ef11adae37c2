"""What a stage depends on: against Python's own finder of modules, edit by edit, and for what is chosen by name."""

import re
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from tests.tiers import rows

from secateur import sources
from secateur.config import REPOSITORY
from secateur.errors import SecateurError
from secateur.models import build
from secateur.sources import ROOT, Chosen

RULES = REPOSITORY / "workflow" / "rules"
LRP = Chosen("secateur.criteria.lrp", ROOT / "criteria" / "lrp.py")
SMALL = Chosen("secateur.models.small", ROOT / "models" / "small.py")
CHOSEN = {"criteria": [LRP], "architectures": [SMALL]}


def stages() -> dict[str, str]:
    """Rule → its subcommand, as the rules themselves say."""
    found = {}
    for path in sorted(RULES.glob("*.smk")):
        for block in re.split(r"^(?=\s*(?:use )?rule\b)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            name = re.search(r'rule (?:stage as )?(\w+)(?::| with:)|name:\s*f?"(\w+?)_?(?:\{\w+\})?"', block)
            command = re.search(r'(?:\bcode|\*\*job|\*\*job\.alone)\(\s*"([^"]+?)(?: --\w+)?"', block)
            if name and command:
                found[f"{path.stem}:{name[1] or name[2]}"] = command[1]
    return found


STAGES = stages()


def of(command: str, chosen=CHOSEN) -> dict[str, str]:
    return sources.of_command(command, chosen)


def files(hashes: dict[str, str]) -> set[Path]:
    """The files that are counted whole."""
    return {
        sources._located(name, ROOT.parent) if name != LRP.module else LRP.path for name in hashes if ":" not in name
    }


@pytest.fixture
def edit(monkeypatch):
    """A function that lets files look edited to `sources`: path → change of its text."""
    original = sources.read

    def edit(changes):
        monkeypatch.setattr(sources, "read", lambda path: changes.get(path, lambda text: text)(original(path)))
        sources._hash.cache_clear()

    yield edit
    sources._hash.cache_clear()


def test_every_rule_with_sources_is_looked_at():
    rules = sum(
        len(re.findall(r"^\s*(?:code=|\*\*job(?:\.alone)?\()", path.read_text(encoding="utf-8"), re.MULTILINE))
        for path in RULES.glob("*.smk")
    )
    assert len(STAGES) == rules >= 22


@pytest.mark.parametrize("rule", rows(STAGES, ["rank:rank", "branches:fewshot", "branches:retrain", "toy:toy"]))
def test_an_edit_of_a_source_changes_the_stages_that_import_it_and_no_other(rule, edit):
    before = of(STAGES[rule])
    inside = files(before)
    assert ROOT / "errors.py" in inside
    every = set(ROOT.rglob("*.py"))
    outside = {path for path in every - inside if path.parent.name != "cli"}
    edit({path: lambda text: text + b"\n# edited\n" for path in outside})
    assert of(STAGES[rule]) == before, "what the stage does not import counts"
    edit({path: lambda text: text + b"\n# edited\n" for path in inside})
    after = of(STAGES[rule])
    assert {name for name in before if after[name] == before[name]} == {name for name in before if ":" in name}
    assert len({sources.digest(before | {name: after[name]}) for name in before}) == len(inside) + 1


@pytest.mark.parametrize("command", rows(sorted(set(STAGES.values())), ["rank"]))
def test_pythons_own_finder_of_modules_finds_the_same(command, tmp_path):
    """It reads compiled code, that of functions included; it is started from what counts of the command line."""
    segments = []
    for module, _, names in (name.partition(":") for name in of(command, {}) if ":" in name):
        text = sources.read(sources._located(module, ROOT.parent))
        segments.append(sources._segments(text, frozenset(names.split(","))))
    (tmp_path / "stage.py").write_text("\n".join(segments), encoding="utf-8")
    finder = ModuleFinder([str(ROOT.parent)], excludes=[*sources.UNCOUNTED, sources.COMMANDS])
    finder.run_script(str(tmp_path / "stage.py"))
    theirs = {name for name in finder.modules if f"{name}.".startswith("secateur.")}
    ours = {name for name in of(command, {}) if ":" not in name}
    assert ours == theirs and len(ours) > 8


@pytest.mark.parametrize(
    ("path", "commands"),
    [
        ("branches/ranking.py", {"rank", "tune", "redraw", "retrain", "case", "gather"}),
        ("pruning/scores.py", {"rank", "tune", "redraw", "retrain", "case", "gather", "toy"}),
        ("models/profiling.py", {"cost", "latency"}),
        ("branches/rounds.py", {"decompose", "fewshot", "grid", "repair", "retrain", "retrain-unpruned", "scratch"}),
        ("branches/unpruned.py", {"unpruned"}),
        ("analysis/sentences.py", {"statistics", "figures", "report make"}),
        ("data/preparation.py", {"data prepare"}),
        ("data/fetching.py", {"data fetch"}),
        ("report/page.py", {"report make"}),
        ("report/serve.py", set()),
        ("dag/session.py", set()),
        ("cli/estimating.py", set()),
    ],
)
def test_stages_that_an_edit_reruns(path, commands):
    found = {command for command in {*STAGES.values(), "data fetch"} if ROOT / path in files(of(command))}
    assert found == commands


def test_relevance_is_part_of_a_case():
    assert ROOT / "relevance" / "folding.py" in files(of("case"))


def test_a_criterion_counts_with_what_it_imports_where_one_is_ranked_by_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path("mine.py")
    own.write_text("from secateur.relevance import passes\nfrom secateur.review import numbers\n", encoding="utf-8")
    chosen = {"criteria": [Chosen("secateur.criteria.mine", own)]}
    assert {"secateur.criteria.mine", "secateur.review.numbers"} <= of("rank", chosen).keys()
    assert "secateur.criteria.lrp" not in of("rank", chosen)
    assert of("fewshot", chosen) == of("fewshot", {})


def test_an_installed_packages_criterion_counts_with_the_packages_other_modules(tmp_path):
    (tmp_path / "package").mkdir()
    for name, text in {
        "__init__.py": "def unused():\n    from package import far\n",
        "criterion.py": "from . import near\nimport numpy\n",
        "near.py": "import package.nearer",
        "nearer.py": "",
        "far.py": "",
    }.items():
        (tmp_path / "package" / name).write_text(text, encoding="utf-8")
    chosen = {"criteria": [Chosen("package.criterion", tmp_path / "package" / "criterion.py")]}
    own = [name for name in of("rank", chosen) if name.startswith("package")]
    assert own == ["package", "package.criterion", "package.near", "package.nearer"]


def test_a_rule_of_the_users_counts_as_it_is(tmp_path):
    rule = tmp_path / "perl.smk"
    rule.write_text("rule perl:\n    shell: ''\n", encoding="utf-8")
    chosen = {"criteria": [Chosen("secateur.criteria.perl", rule)]}
    assert of("gather", chosen)["secateur.criteria.perl"] == sources.hash_of(rule.read_bytes())


def test_an_architecture_counts_where_networks_are_built_and_only_the_one_in_use():
    assert "secateur.models.small" in of("transfer") and "secateur.models.alexnet" not in of("transfer")
    assert not {"secateur.models.small", "secateur.models.alexnet"} & of("transfer", {}).keys()
    assert "secateur.models.small" not in of("statistics")
    assert build.file_of("vgg_bn_small") == SMALL.path and build.file_of("alexnet.tv_in1k").stem == "alexnet"
    assert build.file_of("resnet18") is None


def test_only_registries_load_what_no_import_names():
    """Else a dependency would go unseen. The package loads the library by name, for which no stage asks it."""
    dynamic = re.compile(r"import_module\(|spec_from_file_location\(|__import__\(|run_path\(|\bexec\(")
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if dynamic.search(path.read_text())}
    stages = {name for command in STAGES.values() for name in of(command)}
    apart = {"portability/loader.py", "portability/portable.py"}
    assert not any(name.startswith(("secateur.library", "secateur.portability")) for name in stages)
    registries = {f"{name.partition('.')[2].replace('.', '/')}.py" for name in sources.REGISTRIES}
    assert found - apart == registries | {"cli/server.py", "__init__.py"}


def test_of_the_command_line_a_stage_depends_on_what_it_uses():
    text = b"import os\nfrom a import b, c\n\nX = 1\nY = 2\n\n"
    text += b"def one():\n    return two() + X\n\n\ndef two():\n    return b\n"
    hashed = sources.hash_of(text, ["one"])
    for same in (b"Y = 2", b"Y = 3"), (b"import os\n", b"import os, sys\n"), (b"b, c", b"b, c, d"):
        assert sources.hash_of(text.replace(*same), ["one"]) == hashed
    for other in (b"X = 1", b"X = 3"), (b"return b", b"return b + 1"), (b"import b, c", b"import x as b, c"):
        assert sources.hash_of(text.replace(*other), ["one"]) != hashed
    assert "secateur.clock" not in of("fewshot"), "what only the common options use"


def test_subcommands_that_are_not_there_and_sources_that_are_no_python(tmp_path):
    with pytest.raises(SecateurError, match="no subcommand 'secateur nothing'"):
        of("nothing")
    with pytest.raises(SecateurError, match="no subcommand 'secateur data rank'"):
        of("data rank")
    broken = tmp_path / "broken.py"
    broken.write_text("def score(:\n", encoding="utf-8")
    with pytest.raises(SecateurError, match=r"broken\.py, line 1: "):
        of("rank", {"criteria": [Chosen("secateur.criteria.broken", broken)]})
