"""A run in which everything varies from seed to seed, with the networks that tell how much each component explains."""

import pandas as pd
import pytest
import yaml

from house import TINY, House
from secateur.config import REPOSITORY
from secateur.varying import COMPONENTS

pytestmark = pytest.mark.slow
RESULTS = "results/tiny"


@pytest.fixture(scope="module")
def varied(tmp_path_factory) -> House:
    """A house in which such a run is complete; its config is varied.yaml."""
    made = House(tmp_path_factory.mktemp("varied"))
    config = yaml.safe_load((REPOSITORY / TINY).read_text(encoding="utf-8"))
    del config["toy"], config["fewshot"]["grid"]
    config |= {"vary": list(COMPONENTS), "variance": {"draws": 1}}
    (made.folder / "varied.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = made.snakemake(config="varied.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_every_seed_has_a_backbone_and_every_component_its_further_network(varied):
    names = sorted(path.name for path in (varied.folder / RESULTS / "backbones").glob("*.safetensors"))
    assert names == ["vgg_small-0.safetensors", "vgg_small-1.safetensors"]
    curves = pd.read_parquet(varied.folder / RESULTS / "tables" / "curves.parquet")
    pruned = curves[curves["control"] == ""]
    seeds = pruned.groupby(["branch", "varied"])["seed"].unique().map(sorted)
    for branch in ("fewshot", "retrain"):
        assert seeds[branch, ""] == [0, 1] and all(seeds[branch, component] == [0] for component in COMPONENTS)


def test_the_tables_of_the_analysis_are_about_the_seeds_own_networks(varied):
    folder = varied.folder / RESULTS / "statistics"
    measures, variance = (pd.read_csv(folder / f"{name}.csv") for name in ("measures", "variance"))
    assert set(measures["seed"]) == {0, 1}
    key = ["study", "branch", "samples_per_class", "criterion", "remedy", "seed", "measure", "at"]
    assert not measures.duplicated(key).any()
    assert set(variance["varied"].fillna("")) == {"", *COMPONENTS}
    assert (variance.loc[variance["varied"].notna(), "seeds"] == 1).all()


def test_the_methods_say_that_nothing_is_shared(varied):
    page = (varied.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "All seeds of a study share its images and its architecture, and nothing else." in page


def test_a_second_run_does_nothing_and_another_choice_begins_anew(varied):
    done = varied.snakemake(config="varied.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr
    config = yaml.safe_load((varied.folder / "varied.yaml").read_text(encoding="utf-8"))
    config["vary"].remove("pretraining")
    (varied.folder / "fewer.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    planned = varied.snakemake("-n", config="fewer.yaml").stdout
    assert "transfer" in planned and "backbones/vgg_small.safetensors" in planned
