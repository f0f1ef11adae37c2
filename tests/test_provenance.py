"""What made a run: the facts about its datasets, hashes of what went in and of what was made, and all versions."""

import tomllib

import torch

from secateur import config as configuration
from secateur import provenance, tensorfile
from secateur.files import write_json
from secateur.layout import prepared
from secateur.report.page import _provenance


def test_the_report_counts_the_images_and_those_that_were_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {
        "run": "pets",
        "criteria": ["weight"],
        "datasets": {"pets": {"kind": "imagefolder", "path": "."}},
        "backbones": {"small": {"architecture": "vgg_small", "weights": {"pretrain": "digits_source"}}},
        "studies": {"pets_small": {"dataset": "pets", "backbone": "small"}},
    }
    config = configuration.resolve(given)
    facts = {"citation": "Ours", "licence": "CC0", "class_sizes": {"train": [5, 4], "test": [2, 2]}}
    folder = prepared("pets", config["backbones"]["small"])
    write_json(folder / "dataset.json", facts | {"unreadable": {"train": 1, "test": 2}})
    found = provenance.gather(config, tmp_path)["datasets"]
    assert found == ["pets: 9 training and 4 test images, 3 unreadable ones left out (Ours; licence: CC0)"]


def test_every_hash_is_that_of_what_it_names(tmp_path, monkeypatch):
    """One tensor's numbers, one checksum of images or one word of the claims: each moves its own hash and no other."""
    monkeypatch.chdir(tmp_path)
    given = {
        "run": "small",
        "criteria": ["weight", "random"],
        "seeds": 2,
        "seeds_per_job": 1,
        "backbones": {"net": {"architecture": "vgg_small", "weights": {"pretrain": "digits_source"}}},
        "studies": {"digits": {"dataset": "digits_target", "backbone": "net"}},
        "toy": {"datasets": ["moons"]},
    }
    config = configuration.resolve(given)
    results = tmp_path / "results/small"
    tensors = {"weight": torch.arange(6.0), "bias": torch.zeros(2)}
    places = ["models/digits/0-0", "models/digits/1-1", "backbones/net"]
    places += [f"rankings/digits/{name}/{part}" for name in ("weight", "random") for part in ("0-0", "1-1")]

    def lay_out():
        for place in places:
            (results / place).parent.mkdir(parents=True, exist_ok=True)
            tensorfile.write(results / f"{place}.safetensors", tensors)
        for name in ("digits_source", "digits_target"):
            write_json(prepared(name, config["backbones"]["net"]) / ".checksums.json", {"train_labels.npy": 7})
        write_json(tmp_path / "data/moons/.checksums.json", {"train_inputs.npy": 8})
        for part in ("0-0", "1-1"):
            (results / "samples/digits").mkdir(parents=True, exist_ok=True)
            (results / f"samples/digits/{part}.csv").write_text("seed,index\n")
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config/claims.yaml").write_text("alpha: 0.05\n")

    nothing = provenance.hashes(config, results)  # a partial report may lack everything but the claims
    assert {kind for kind, named in nothing.items() if named} == {"claims"}
    lay_out()
    before = provenance.hashes(config, results)
    lay_out()
    assert provenance.hashes(config, results) == before
    assert {kind: len(named) for kind, named in before.items()} == {
        "data": 3, "claims": 1, "backbones": 1, "models": 2, "samples": 2, "rankings": 2,
    }  # fmt: skip

    def moved():
        after = provenance.hashes(config, results)
        lay_out()
        return [f"{kind} {name}" for kind in after for name in after[kind] if after[kind][name] != before[kind][name]]

    changed = tensors | {"weight": tensors["weight"].flip(0)}
    for place, expected in [
        ("models/digits/1-1", "models digits/1-1"),
        ("backbones/net", "backbones net"),
        ("rankings/digits/random/1-1", "rankings digits/random"),
    ]:
        tensorfile.write(results / f"{place}.safetensors", changed)
        assert moved() == [expected]
    write_json(prepared("digits_target", config["backbones"]["net"]) / ".checksums.json", {"train_labels.npy": 9})
    (found,) = moved()
    assert found.startswith("data digits_target/")
    (tmp_path / "config/claims.yaml").write_text("alpha: 0.01\n")
    assert moved() == ["claims claims.yaml"]
    shown = dict(_provenance(provenance.gather(config, results)))
    words = shown["hashes (SHA-256)"].split(", ")
    assert [word.split()[0] for word in words] == ["data", "claims", "backbones", "models", "samples", "rankings"]
    assert shown["versions"].startswith("python 3.") and "vl-convert-python" not in shown["versions"]


def test_the_page_says_what_a_criterion_that_is_a_rule_does_not_get(tmp_path, monkeypatch):
    monkeypatch.chdir(configuration.REPOSITORY)
    given = {
        "run": "ruled",
        "criteria": ["weight", "taylor_perl"],
        "criteria_path": ["examples"],
        "backbones": {"net": {"architecture": "vgg_small", "weights": {"pretrain": "digits_source"}}},
        "studies": {"digits": {"dataset": "digits_target", "backbone": "net"}},
    }
    said = provenance.gather(configuration.resolve(given), tmp_path)["criteria"]
    assert said["taylor_perl"].startswith("Taylor in Perl") and "not timed" in said["taylor_perl"]
    assert "not timed" not in said["weight"]


def test_the_versions_are_those_of_all_that_secateur_depends_on():
    wanted = tomllib.loads((configuration.REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {name.split(">")[0].split("[")[0] for name in wanted}
    assert set(provenance.PACKAGES) == names | {"matplotlib"}
