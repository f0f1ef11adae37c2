"""Hostile configs: one line or a right result, never a traceback, a file elsewhere or code run."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import damaged, odd, run, share

from secateur.config import REPOSITORY, resolve
from secateur.errors import SecateurError

TINY = (REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8")


OF_CONFIGS = st.one_of(
    odd,
    st.sampled_from([2.0, 0, -1, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), 10**400]),
    st.sampled_from(["~nouser/x", "2.0", "auto", "all", "cuda:7", "mps", "meta", "lrp", "digits_vgg", "vgg_small", ""]),
    st.sampled_from([[float("nan")], [0.5, 0.5], [[]], {}, [None], {1: 2}, {None: None}, [1, "1"], [0, 1.0]]),
    st.dates(),
)


@st.composite
def changed_config(draw: st.DrawFn) -> dict:
    """The tiny config with one to three of its values, at any depth, replaced, removed or added."""
    config = yaml.safe_load(TINY)
    for _ in range(draw(st.integers(1, 3))):
        place = config
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = draw(st.sampled_from(list(keys)))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            what = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if what == "replace":
                place[key] = draw(OF_CONFIGS)
            elif what == "remove":
                del place[key]
            elif isinstance(place, dict):
                place[draw(st.one_of(st.text(max_size=5), st.integers(), st.none()))] = draw(OF_CONFIGS)
            break
    return config


@share(30)
@given(config=changed_config())
def test_a_config_with_odd_values(inside, config):
    (inside / "c.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    run("collect", "--config", "c.yaml", "--output", "out")


@share(10)
@given(content=damaged(TINY.encode()))
def test_a_config_of_odd_bytes(inside, content):
    (inside / "c.yaml").write_bytes(content)
    run("collect", "--config", "c.yaml", "--output", "out")


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        "run: !!python/object/apply:os.system ['touch evil']",
        "!!python/object/new:os.system [touch evil]",
        f"{BOMB}{TINY}".replace("    architecture", "    arguments: {x: *a11}\n    architecture"),
        TINY.replace("    architecture", "    arguments: &x {x: *x}\n    architecture"),
        "[" * 20_000,
        f"{TINY}\nrun: '{{{{ 7*7 }}}}'",
    ],
    ids=["tag", "tag at the top", "bomb", "itself", "deep", "template"],
)
def test_a_config_that_wants_more_than_to_be_read(inside, text):
    (inside / "c.yaml").write_text(text, encoding="utf-8")
    assert run("collect", "--config", "c.yaml", "--output", "out").startswith("error: ")


@pytest.mark.parametrize(
    "name", ["{{ 7*7 }}", "{% raw %}", "{evil}", "<b>x</b>", "$(touch evil)", "x\n", "x\n.. raw:: html"]
)
def test_names_in_a_config_are_plain_so_that_captions_commands_and_paths_may_cite_them(name):
    for key in ("run", "criteria", "studies", "backbones"):
        config = yaml.safe_load(TINY)
        value = config[key]
        config[key] = (
            name if key == "run" else [{"name": name, "criterion": "lrp"}] if key == "criteria" else value | {name: {}}
        )
        with pytest.raises(SecateurError, match="is not a name"):
            resolve(config)
    captions = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "report/captions").glob("*.rst"))
    cited = re.findall(r"\{[{%](.*?)[}%]\}", captions)
    assert [what.strip() for what in cited] == ['snakemake.params.resolved["run"]'], "Snakemake renders it as rst"
