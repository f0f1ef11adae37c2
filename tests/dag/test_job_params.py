"""What jobs are told, depend on and ask for, as functions of their wildcards."""

import copy
from types import SimpleNamespace

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import InputFiles, OutputFiles

from secateur import dag
from secateur.config import REPOSITORY
from secateur.files import read_json

CONFIG = yaml.safe_load((REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))


PLANNING = SimpleNamespace(is_main_process=True, modifier=SimpleNamespace(is_main_snakefile=lambda: True))
"""Snakemake's workflow where a run is planned."""


def line(planned, wildcards, given, made, **options):
    params = dag.Jobs(planned, dag.Code(planned, PLANNING))("fewshot", dict, **options)
    return params["options"](wildcards, InputFiles(fromdict=given), OutputFiles(fromdict=made))


def test_a_job_is_told_its_wildcards_its_files_and_its_options_in_this_order(plan, of):
    wildcards = of(study="s", criterion="lrp", part="0-1", other="unknown to commands")
    given = {"data": "d", "criterion": "lrp.py", "rankings": ["a b", "c"]}
    shared = {"shared": "told/{study}", "state": lambda wildcards, input, output: ""}
    assert line(plan(), wildcards, given, {"output": "o"}, at_end="rankings", **shared) == (
        "--study s --criterion lrp --seeds 0-1 --data d --shared told/s --output o 'a b' c"
    )
    assert "--rankings 'a b' --rankings c" in line(plan(), wildcards, given, {"output": "o"})


def test_what_a_job_takes_is_written_by_stage_and_wildcards(plan, of):
    planned = plan()
    job = dag.Jobs(planned, dag.Code(planned, PLANNING))
    wildcards = of(study="s", part="0-1")
    assert job("retrain-unpruned", dict)["usage"](wildcards) == "results/tiny/usage/retrain_unpruned/s-0-1.json"
    ranked = job("gather", dict, stage="rank", criterion="lrp")
    assert ranked["usage"](wildcards) == "results/tiny/usage/rank/s-lrp-0-1.json"
    assert job.alone("report make")["usage"] == "results/tiny/usage/report/all.json"


def test_the_code_of_a_rule_of_one_criterion_is_that_criterions(plan, of):
    planned = plan()
    job = dag.Jobs(planned, dag.Code(planned, PLANNING))
    wildcards = of(study="digits_vgg", part="0-1")
    fixed = job("rank", dict, criterion="lrp")["code"](wildcards)
    assert fixed == job("rank", dict)["code"](of(study="digits_vgg", part="0-1", criterion="lrp"))
    assert fixed != job("rank", dict, criterion="random")["code"](wildcards)


def test_what_lies_beside_a_stage_does_not_change_its_code_and_files_that_it_reads_do(plan, of, tmp_path):
    planned = plan()
    code = dag.Code(planned, PLANNING)
    page = tmp_path / "page.css"
    page.write_text("a")
    first = code("report make", files=[str(page)])(of())
    assert first != code("report make")(of())
    page.write_text("b")
    assert dag.Code(planned, PLANNING)("report make", files=[str(page)])(of()) != first
    assert code("report make", files=[str(page)])(of()) == first, "as it was when the workflow started"


def test_a_module_writes_down_its_sources_though_snakemake_speaks_of_the_main_workflow_by_then(plan, of):
    planned = plan()
    reading = SimpleNamespace(is_main_snakefile=lambda: False)
    workflow = SimpleNamespace(is_main_process=True, modifier=reading)
    code = dag.Code(planned, workflow)
    reading.is_main_snakefile = lambda: True
    digest = code("collect")(of())
    assert read_json(planned.code_file)["jobs"].keys() == {digest}


def test_settings_leave_out_what_other_jobs_depend_on(plan, of):
    planned = plan()
    settings = dag.JobSettings(planned)
    wildcards = of(study="digits_vgg", criterion="lrp", part="0-1")
    chosen = settings.of_criterion("fewshot", "retrain", extra=lambda wildcards: wildcards.part)(wildcards)
    assert not {"grid", "remedies"} & chosen["fewshot"].keys() and "controls" not in chosen["retrain"]
    assert "rates" in chosen["fewshot"] and chosen["criterion"]["name"] == "lrp" and chosen["extra"] == "0-1"
    assert not {"transfer", "remedies"} & chosen["study"].keys()
    named = settings.of_criterion("fewshot", "retrain", name="random", extra="0-1")(wildcards)
    assert named | {"criterion": None} == chosen | {"criterion": None} and named["criterion"]["name"] == "random"
    assert "vary" in chosen and "vary" not in settings.of_network()(wildcards)


def test_another_value_changes_the_settings_of_jobs_that_depend_on_it_alone(plan, of):
    wildcards = of(study="digits_vgg", criterion="lrp", part="0-1")
    other = copy.deepcopy(CONFIG["retrain"]) | {"rates": [0.3]}
    before, after = (dag.JobSettings(planned) for planned in (plan(), plan(retrain=other)))
    assert before.of_criterion("fewshot")(wildcards) == after.of_criterion("fewshot")(wildcards)
    assert before.of_criterion("retrain")(wildcards) != after.of_criterion("retrain")(wildcards)


def test_a_job_that_needed_more_is_given_more(plan, of):
    asked = dag.Resources(plan())
    wildcards = of(study="digits_vgg", criterion="lrp", part="0-1")
    minutes = [asked.minutes("retrain")(wildcards, attempt) for attempt in (1, 2, 3)]
    assert minutes[0] >= 20 and minutes == [minutes[0], 2 * minutes[0], 4 * minutes[0]]
    memory = [asked.memory(wildcards, attempt) for attempt in (1, 2, 3)]
    assert memory == [memory[0], memory[0] * 3 // 2, memory[0] * 2] and memory[0] >= 1200
    assert asked("retrain")["gpu"] == 0
    card = dag.Resources(plan(device="cuda"))
    assert card("retrain")["gpu"] == 1 and card.memory(wildcards, 1) == 4000


def test_larger_images_ask_for_more_memory(plan, of):
    wildcards = of(study="digits_vgg")
    larger = copy.deepcopy(CONFIG["backbones"])
    larger["vgg_small"]["size"] = 160
    small, large = (dag.Resources(planned).memory(wildcards, 1) for planned in (plan(), plan(backbones=larger)))
    assert large - 1200 == pytest.approx(100 * (small - 1200), rel=0.1)


def test_every_seed_of_a_part_has_its_backbone_where_pretraining_varies(plan, of):
    wildcards = of(study="digits_vgg", part="0-1")
    one = dag.JobInputs(plan(), lambda: None)
    assert one.backbones(wildcards) == ["results/tiny/backbones/vgg_small.safetensors"]
    varied = dag.JobInputs(plan(vary=["head", "pretraining"]), lambda: None)
    names = [f"results/tiny/backbones/vgg_small-{draw}" for draw in (0, 1)]
    assert varied.backbones(wildcards) == [f"{name}.safetensors" for name in names]
    assert varied.about_backbone(wildcards) == f"{names[0]}.json"


def test_it_is_waited_for_others_before_it_is_looked_at_what_data_there_are(plan, of):
    called = []
    inputs = dag.JobInputs(plan(), lambda: called.append(True))
    assert inputs.source_of_dataset(of(dataset="digits_target")) == [] and called == [True]


def test_a_storage_plugins_place_is_told_from_the_inputs(plan, of):
    options = dag.Options(plan())
    assert options.results(of(), ["/bucket/x/results/tiny/curves/a.parquet"]) == "/bucket/x/results/tiny"
    assert options.toy_folder(of(), ["data/moons"]) == "results/tiny/toy"


def test_a_wrong_config_is_snakemakes_own_error_in_our_words(plan):
    with pytest.raises(WorkflowError, match="unknown criterion 'lpr'"):
        plan(criteria=["lpr"])
