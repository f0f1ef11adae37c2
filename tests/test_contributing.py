"""What the pages for contributors and the files for services name is there."""

import re

import pytest
import yaml

from secateur.config import REPOSITORY

PAGES = ["CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "docs/artefact.md", ".github/pull_request_template.md"]
FILES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in [*REPOSITORY.glob(".github/**/*.yml"), *REPOSITORY.glob(".*.yaml"), *REPOSITORY.glob(".*.yml")]
)
TARGETS = set(re.findall(r"^([a-z./-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name):
    for target in re.findall(r"\]\(([^)#]+)", read(name)):
        assert ((REPOSITORY / name).parent / target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("name", [*PAGES, *FILES])
def test_every_make_target_is_one(name):
    named = set(re.findall(r"(?:`|run: |^)make ([a-z-]+(?:/[a-z]+)?)", read(name), re.MULTILINE))
    assert named <= TARGETS, f"{name}: {named - TARGETS}"


@pytest.mark.parametrize("name", FILES)
def test_files_for_services_are_whole_and_what_they_run_is_there(name):
    assert yaml.safe_load(read(name))
    for path in re.findall(r"(?:pytest -q|run:) ((?:tests|\.ci)/\S+(?: tests/\S+)*)", read(name)):
        for each in path.split():
            assert (REPOSITORY / each).exists(), f"{name}: {each}"


def test_services_run_every_python_that_the_package_allows():
    wanted = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', read("pyproject.toml"))
    assert wanted
    versions = [f"3.{minor}" for minor in range(int(wanted[1]), int(wanted[2]))]
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    assert jobs["fast"]["strategy"]["matrix"]["python"] == versions


def test_every_config_is_in_the_list_of_configs():
    listed = set(re.findall(r"`([a-z0-9_]+\.yaml)`", read("config/README.md")))
    assert {path.name for path in (REPOSITORY / "config").glob("*.yaml")} <= listed
    assert all((REPOSITORY / "config" / name).exists() for name in listed)
