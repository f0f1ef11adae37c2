"""A published ResNet-20, small: spot checks from its archive and weights on, here and as on another machine.

The other machine is this one with other kernels: PyTorch's plain ones, oneDNN's and MKL's of twenty years ago. Sums are
rounded otherwise there, which the tests show first.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from house import House
from secateur import tablefile
from secateur.config import REPOSITORY
from secateur.review import manifest

SHARED = Path(__file__).parents[3] / "shared" / "data"
WEIGHTS = "resnet20-cifar10-12fca82f.th"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SHARED / WEIGHTS).exists(), reason=f"{SHARED} has no {WEIGHTS}"),
]
ELSEWHERE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"}
MIRROR = {"SECATEUR_MIRROR": str(SHARED)}
PUBLISHED = "published/small"


def small(run: str) -> dict:
    """config/published.yaml with one network, two seeds and two rates."""
    config = yaml.safe_load((REPOSITORY / "config/published.yaml").read_text(encoding="utf-8"))
    for key in ("backbones", "studies"):
        del config[key]["resnet56"]
    config["fewshot"] |= {"rates": [0.3, 0.5], "remedies": ["none", "batch_norm"]}
    del config["decompose"]
    return config | {
        "run": run, "seeds": 2, "criteria": ["lrp", "weight"], "cost": {"samples": 10, "repeats": 1},
        "latency": {"rates": [0.5], "batches": [1], "repeats": 1},
    }  # fmt: skip


def done(house: House, *command: str, code: int = 0, **variables: str) -> str:
    """What a command, whose exit code must be `code`, said."""
    result = house.run(*command, **MIRROR | variables)
    assert result.returncode == code, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def run(house: House, name: str, **variables: str) -> Path:
    """The folder of a run of this name."""
    (house.folder / f"{name}.yaml").write_text(yaml.safe_dump(small(name)), encoding="utf-8")
    done(house, "snakemake", "--configfile", f"{name}.yaml", "--cores", "2", **variables)
    return house.folder / "results" / name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house in which the small run is complete and published."""
    house = House(tmp_path_factory.mktemp("house"))
    (house.folder / "weights").mkdir(exist_ok=True)
    shutil.copy2(SHARED / WEIGHTS, house.folder / "weights")
    run(house, "small")
    done(house, "secateur", "publish", "results/small", PUBLISHED)
    return house


@pytest.fixture(scope="module")
def clone(made: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A fresh clone: the published folder, and neither data nor weights nor results."""
    house = House(tmp_path_factory.mktemp("clone"))
    shutil.rmtree(house.folder / "published", ignore_errors=True)
    shutil.copytree(made.folder / PUBLISHED, house.folder / PUBLISHED)
    (house.folder / "Makefile").touch()  # newer than what the environment, for which it stands here, is made from
    return house


@pytest.fixture
def forged(clone: House, tmp_path: Path) -> Path:
    """The run with one more image right in every pruned network, and a new list of files."""
    folder = Path(shutil.copytree(clone.folder / PUBLISHED, tmp_path / "forged"))
    curves = tablefile.read(folder / "tables" / "curves.parquet")
    room = (curves["rate"] > 0) & (curves["accuracy"] < 1)
    curves.loc[room, "accuracy"] += 1 / curves.loc[room, "test_samples"]
    tablefile.write(folder / "tables" / "curves.parquet", curves)
    curves.to_csv(folder / "tables" / "curves.csv", index=False)
    manifest.write(folder)
    return folder


def test_make_spot_check_measures_two_cells_again_from_archive_and_weights(clone):
    said = done(clone, "make", "spot-check", "SEED=1", "ENVIRONMENT=Makefile", "RUN=")
    assert "2 random cells (--seed 1) measured again in" in said and "hold to the digit: " in said
    assert not (clone.folder / "data").exists() and not (clone.folder / "results").exists()


def test_without_the_weights_and_the_archive_it_says_what_is_needed(clone, tmp_path):
    said = done(clone, "secateur", "published", "spot-check", PUBLISHED, code=2, SECATEUR_MIRROR="")
    assert f"there is no file 'weights/{WEIGHTS}'" in said and "Traceback" not in said and said.count("error:") == 1
    shutil.copy2(SHARED / WEIGHTS, tmp_path)
    said = done(clone, "secateur", "published", "spot-check", PUBLISHED, code=2, SECATEUR_MIRROR=str(tmp_path))
    assert "cifar10-lossless.tar.xz cannot be fetched and must be placed by you" in said and "Traceback" not in said


def test_a_cell_one_image_off_is_refused_here_and_elsewhere(clone, forged):
    said = done(clone, "secateur", "published", "spot-check", str(forged), "--seed", "1", code=1)
    assert "REFUSED (--seed 1)" in said and "on this machine it must be the same" in said
    said = done(clone, "secateur", "published", "spot-check", str(forged), "--seed", "1", code=1, **ELSEWHERE)
    assert "REFUSED (--seed 1)" in said and "as the loss is: this is the same network" in said


def test_on_another_machine_cells_differ_by_rounding_and_hold(clone):
    said = done(clone, "secateur", "published", "check", PUBLISHED, "--cells", "2", "--seed", "1", **ELSEWHERE)
    assert "nothing speaks against it" in said and "as published within rounding" in said
    assert "to the digit: made on" in said and "ATEN_CPU_CAPABILITY=default" in said


def test_a_criterion_joins_on_another_machine_the_networks_of_the_folder_alone(clone):
    """It is a copy of one that the run has: its numbers are that one's, but for rounding."""
    mine = clone.folder / "criteria" / "mine.py"
    mine.parent.mkdir()
    shutil.copyfile(clone.folder / "src/secateur/criteria/weight.py", mine)
    done(clone, "secateur", "join", "mine", "--with", PUBLISHED, **ELSEWHERE)
    curves = tablefile.read(clone.folder / "results/small_with_mine/tables/curves.parquet")
    keys = ["remedy", "seed", "rate"]
    own, theirs = (curves[curves["criterion"] == name].set_index(keys).sort_index() for name in ("mine", "weight"))
    assert own["units_removed"].equals(theirs["units_removed"]) and own["accuracy"].equals(theirs["accuracy"])
    apart = (own["loss"] / theirs["loss"] - 1).abs()
    assert 0 < apart.max() < 1e-5
    assert (clone.folder / "results/small_with_mine/report.html").exists()
    assert "mirror" not in (clone.folder / "results/small_with_mine/config.json").read_text(encoding="utf-8")
