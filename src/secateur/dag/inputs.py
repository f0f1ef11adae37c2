"""What jobs read, by their wildcards: data, networks, samples, scores, and the files that Secateur brings along.

Files of users, sources among them, are `local`: they lie in no bucket (docs/cluster.md).
"""

from collections.abc import Callable
from typing import Any

from snakemake.io import local

from secateur import layout, shipped, varying
from secateur.dag.planned import PlannedRun
from secateur.files import expanded

PAGE = ("page.html.j2", "methods.html.j2", "page.css", "page.js", "explorer.js", "style.yaml")
PUBLISHED = ("toy_published.csv", "toy_differences.yaml")


def brought(name: str) -> Any:
    """A file that Secateur brings along, or this folder's own."""
    return local(str(shipped.find(name)))


class JobInputs:
    """The files that the jobs of one run read."""

    def __init__(self, run: PlannedRun, before_data: Callable[[], None]) -> None:
        """`before_data` is called before it is looked at what data there are."""
        self._run = run
        self._before_data = before_data
        results = run.results
        transferred = f"{results}/models/{{study}}/"
        self.data: dict[str, Any] = {"data": self.dataset}
        self.models = {"models": f"{transferred}{{part}}.safetensors"}
        self.samples = {"samples": f"{results}/samples/{{study}}/{{part}}.csv"}
        units = {"units": f"{results}/units/{{study}}.safetensors"}
        self.network = self.data | units | self.models
        """The network of a study with what can be removed of it, as most stages read it."""
        self.first_network = self.network | {"models": f"{transferred}{run.first_part}.safetensors"}
        self.first_samples = {"samples": f"{results}/samples/{{study}}/{run.first_part}.csv"}
        rankings = f"{results}/rankings/{{study}}"
        self.first_rankings = {"rankings": [f"{rankings}/{name}/{run.first_part}.safetensors" for name in run.criteria]}
        self.measured = self.network | {"unpruned": f"{results}/unpruned/{{study}}/{{part}}.parquet"}
        """The network, and what it measures as it is."""
        self.ranked = self.measured | {"rankings": f"{rankings}/{{criterion}}/{{part}}.safetensors"}
        self.of_seed = self.data | units | {"models": self._models_of_seed, "samples": self._samples_of_seed}
        """The network and samples of one seed, among those of its part."""
        self.claims = brought("config/claims.yaml")
        self.style = brought("report/style.yaml")
        self.page = [brought(f"report/{name}") for name in PAGE]
        self.published = [brought(f"report/published/{name}") for name in PUBLISHED]
        """Published figures of the 2-D study, to compare with."""

    def source_of_dataset(self, wildcards: Any) -> list[Any]:
        """What a dataset is made from: what was fetched, the user's own images, or nothing where it is embedded."""
        self._before_data()
        entry = self._run.datasets[wildcards.dataset]
        if "path" in entry:
            return [local(str(expanded(entry["path"], "datasets")))]
        return [f"data/archives/{wildcards.dataset}"] if "files" in entry else []

    def dataset(self, wildcards: Any) -> str:
        """Folder of the study's dataset, prepared for its backbone."""
        study = self._run.config["studies"][wildcards.study]
        return str(layout.prepared(study["dataset"], self._run.config["backbones"][study["backbone"]]))

    def images_of_studies(self) -> list[str]:
        """Folders of all studies' prepared images, whose classes the statistics and the page speak of."""
        backbones = self._run.config["backbones"]
        studies = self._run.config["studies"].values()
        return sorted({str(layout.prepared(study["dataset"], backbones[study["backbone"]])) for study in studies})

    def source_of_backbone(self, wildcards: Any) -> list[Any]:
        """What a backbone's weights are made of: the images that it is pretrained on, the user's file, or nothing."""
        backbone = self._run.config["backbones"][wildcards.backbone]
        weights = backbone["weights"]
        if "pretrain" in weights:
            return [str(layout.prepared(weights["pretrain"], backbone))]
        return [local(weights["file"])] if "file" in weights else []

    def backbones(self, wildcards: Any) -> list[str]:
        """Weights of the study's backbone: of each seed of the part, where the pretraining varies, else one for all."""
        config = self._run.config
        path = f"{self._run.results}/backbones/{config['studies'][wildcards.study]['backbone']}"
        if "pretraining" not in config["vary"]:
            return [f"{path}.safetensors"]
        seeds = self._run.blocks[wildcards.part]
        return [f"{path}-{varying.draw_of(config, 'pretraining', seed)}.safetensors" for seed in seeds]

    def about_backbone(self, wildcards: Any) -> str:
        """Where it is from. Of several pretrainings, which all take the same steps, any."""
        return self.backbones(wildcards)[0].replace(".safetensors", ".json")

    def measurements(self) -> list[str]:
        """Every file that the branches must have written before the tables can be made."""
        return [self._result(path) for paths in layout.measurements(self._run.config).values() for path in paths]

    def rankings(self) -> list[str]:
        """Score files of every study, criterion and part."""
        return [self._result(path) for path in layout.rankings(self._run.config)]

    def redraws(self) -> list[str]:
        """Score files of every study and criterion on other draws of reference samples."""
        return [self._result(path) for path in layout.redraws(self._run.config)]

    def galleries(self) -> list[str]:
        """Pictures of every study."""
        return [self._result(path) for path in layout.galleries(self._run.config)]

    def boundaries(self) -> list[str]:
        """Decision boundaries of the 2-D study."""
        return [self._result(f"toy/{name}.npz") for name in self._run.config.get("toy", {}).get("datasets", [])]

    def _models_of_seed(self, wildcards: Any) -> str:
        return self._result(f"models/{wildcards.study}/{self._run.part_of(wildcards.seed)}.safetensors")

    def _samples_of_seed(self, wildcards: Any) -> str:
        return self._result(f"samples/{wildcards.study}/{self._run.part_of(wildcards.seed)}.csv")

    def _result(self, path: object) -> str:
        return f"{self._run.results}/{path}"
