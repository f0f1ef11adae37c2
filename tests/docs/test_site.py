"""The site: built without a warning, every link of it leads somewhere, and the reference has everything there is."""

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
import yaml

import secateur
from secateur.cli.commands import app
from secateur.config import REPOSITORY, resolve

SITE = REPOSITORY / "docs" / "site"
PACKAGES = REPOSITORY / ".venv" / "docs"
PLACES = os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("SECATEUR_DOCS", ""), str(REPOSITORY / "src")]))


def sphinx(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the site's packages, which are no part of the environment."""
    environment = os.environ | {"PYTHONPATH": PLACES, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def reference():
    specification = importlib.util.spec_from_file_location("reference", SITE / "reference.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def flat(value, path: str = "") -> set[str]:
    """Keys of a resolved config, "a.b"; names of one's own are <name>."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            name = "<name>" if path in ("backbones", "studies", "datasets") else key
            found |= {f"{path}.{name}".lstrip(".")} | flat(inner, f"{path}.{name}".lstrip("."))
    return found


def test_every_key_of_a_config_is_in_the_reference_with_its_default(reference):
    text = reference.config()
    smallest = yaml.safe_load((REPOSITORY / "config/minimal.yaml").read_text(encoding="utf-8"))
    keys = {key for key in flat(resolve(smallest)) if not key.startswith("backbones.<name>.weights.")}
    headings = {line.lstrip("# ").strip("`") for line in text.splitlines() if line.startswith("##")}
    given = {key for key in keys if ".arguments." not in key}
    assert given <= headings, given - headings
    for key, default in (("seeds", "5"), ("fewshot.rates", "[0.1,"), ("retrain.batch_norm", "reestimate")):
        assert f"default: `{default}" in text.partition(f"{key}\n" if key == "seeds" else f"`{key}`")[2][:900], key


def test_every_key_of_a_config_has_a_description_and_a_schema_key_is_no_half_of_one(reference):
    rules = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    known = {"description", "type", "default", "enum", "const", "anyOf", "items", "properties", "additionalProperties",
             "required", "pattern", "propertyNames", "minItems", "uniqueItems", "minProperties", "maxProperties",
             "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}  # fmt: skip
    for name, rule in rules["properties"].items():
        for key, inner, _ in reference.keys(name, rule, rules, False):
            assert set(inner) <= known, f"{key}: {set(inner) - known}"  # a comma in a text splits it
            assert inner.get("description") or key.endswith("<name>"), key


def test_every_command_and_option_is_in_the_reference(reference):
    text, checked = reference.commands(), 0

    def look(command, path):
        nonlocal checked
        assert f"## {path}\n" in text
        section = text.partition(f"## {path}\n")[2].partition("\n## ")[0]
        for one in command.params:
            if one.param_type_name == "option":
                assert f"`{one.opts[0]}`" in section, (path, one.opts)
                checked += 1
        for name, inner in getattr(command, "commands", {}).items():
            look(inner, f"{path} {name}")

    look(typer.main.get_command(app), "secateur")
    assert checked > 100 and "## secateur published check" in text


def test_every_public_name_is_in_the_reference(reference):
    text = reference.api()
    for name in secateur.__all__:
        assert name.startswith("__") or f"## secateur.{name}\n" in text


class Links(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.places |= {named["id"]} if named.get("id") else set()
        self.links += [named[key] for key in ("href", "src") if named.get(key)]


def astray(site: Path) -> list[str]:
    """Links of a built site that lead to no file, or to no place in it."""
    pages = {path.resolve(): Links(path) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places
            ):
                found.append(f"{path.name}: {link}")
    return found


@pytest.fixture(scope="module")
def packages() -> None:
    if sphinx("-c", "import sphinx, myst_parser, furo").returncode:
        pytest.skip("the site's packages are not here: `make docs` installs them to .venv/docs")


@pytest.mark.slow
def test_the_site_is_built_and_all_its_links_lead_somewhere(packages, tmp_path):
    output = tmp_path / "site"
    done = sphinx(str(SITE / "build.py"), "--output", str(output), "--published", str(tmp_path / "none"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not astray(output)
    for path in [*(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "docs/tutorials").glob("*.md")]:
        page = output / path.relative_to(REPOSITORY / "docs").with_suffix(".html")
        assert page.exists() and page.name in (output / "index.html").read_text(encoding="utf-8"), "in no navigation"
    assert "No run is published here yet" in (output / "leaderboard.html").read_text(encoding="utf-8")
    (output / "index.html").write_text('<a href="toy.html#nowhere">x</a><a href="nothing.html">y</a>')
    assert len(astray(output)) == 2  # what looks for links that lead nowhere finds them


@pytest.mark.slow
@pytest.mark.parametrize("link", ["[a](other.md)", "[a](other.md#nowhere)", "[a](missing.md)", "[a](#no-heading)"])
def test_a_link_that_leads_nowhere_ends_the_build(packages, tmp_path, link):
    pages = tmp_path / "pages"
    (pages / "extra").mkdir(parents=True)
    (pages / "conf.py").write_bytes((SITE / "conf.py").read_bytes())
    (pages / "other.md").write_text("# Other\n\n## A place\n")
    (pages / "index.md").write_text(f"# Index\n\n{link}\n\n```{{toctree}}\nother\n```\n")
    command = ("-m", "sphinx", "--fail-on-warning", "--quiet", "-b", "html", str(pages), str(tmp_path / "site"))
    done = sphinx(*command)
    assert (done.returncode == 0) == (link == "[a](other.md)"), done.stderr
