# The two branches with what is common to all criteria, the grid of filter and neuron rates, cost and latency, and
# pictures for the report.

FIRST_RANKINGS = {
    "rankings": [
        f"{RESULTS}/rankings/{{study}}/{criterion}/{FIRST}.safetensors"
        for criterion in CRITERIA
    ]
}
CRITERIA_CODE = {"criteria": [criterion_code(criterion) for criterion in IN_PYTHON]}


use rule stage as unpruned with:
    input:
        data=dataset_of,
        models=rules.transfer.output.models,
    output:
        output=f"{RESULTS}/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/unpruned/{{study}}/{{part}}.log",
    resources:
        **asked("unpruned"),
    params:
        **job(
            "unpruned",
            of_study(
                validation=VALIDATION,
                batch_size=resolved["retrain"]["finetune"]["batch_size"],
            ),
        ),


MEASURED = NETWORK | {"unpruned": rules.unpruned.output}
RANKED = MEASURED | {
    "rankings": f"{RESULTS}/rankings/{{study}}/{{criterion}}/{{part}}.safetensors"
}


use rule stage as fewshot with:
    input:
        **RANKED,
    output:
        curves=f"{RESULTS}/curves/fewshot/{{study}}/{{criterion}}/{{part}}.parquet",
        profiles=f"{RESULTS}/profiles/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/fewshot/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("fewshot"),
    params:
        **job("fewshot", of_criterion("run", "fewshot"), shared=TOLD),


use rule stage as repair with:
    input:
        **RANKED,
        **SAMPLES,
    output:
        output=f"{RESULTS}/curves/repaired/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/repair/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("repair"),
    params:
        **job(
            "repair",
            of_criterion("run", "fewshot", remedies=remedies_of),
            shared=TOLD,
        ),


use rule stage as decompose with:
    input:
        **RANKED,
    output:
        output=f"{RESULTS}/curves/decomposed/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/decompose/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("decompose"),
    params:
        **job("decompose", of_criterion("run", "decompose"), shared=TOLD),


use rule stage as grid with:
    input:
        **RANKED,
    output:
        output=f"{RESULTS}/grid/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/grid/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("grid"),
    params:
        **job(
            "grid",
            of_criterion("run", grid=grid_of),
            shared=TOLD,
        ),


use rule stage as retrain with:
    input:
        **MEASURED,
        **SAMPLES,
        criterion=retrain_code,
        tuned=tuned_of_round,
    output:
        output=f"{RESULTS}/curves/retrain/{{study}}/{{criterion}}/{{part}}.parquet",
        shapes=f"{RESULTS}/shapes/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/retrain/{{study}}/{{criterion}}/{{part}}.log",
    resources:
        **asked("retrain"),
    params:
        **job(
            "retrain",
            of_criterion("run", "retrain", validation=VALIDATION),
            state=f"{RESULTS}/state/retrain/{{study}}/{{criterion}}/{{part}}",
            shared=TOLD,
        ),


use rule stage as retrain_unpruned with:
    input:
        **MEASURED,
    output:
        output=f"{RESULTS}/curves/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/retrain_unpruned/{{study}}/{{part}}.log",
    resources:
        **asked("retrain_unpruned"),
    params:
        **job(
            "retrain-unpruned",
            of_study("scope", "budget", "run", "retrain", validation=VALIDATION),
            state=f"{RESULTS}/state/retrain_unpruned/{{study}}/{{part}}",
            shared=TOLD,
        ),


use rule stage as scratch with:
    input:
        **MEASURED,
        shapes=rules.retrain.output.shapes,
        # Of several pretrainings, which all take the same steps, any.
        backbone=lambda wildcards: backbones_of(wildcards)[0].replace(
            ".safetensors", ".json"
        ),
    output:
        output=f"{RESULTS}/curves/scratch/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/scratch/{{study}}/{{criterion}}/{{part}}.log",
    resources:
        **asked("scratch"),
    params:
        **job(
            "scratch",
            of_study(
                "scope",
                "budget",
                "run",
                "retrain",
                pretrain=resolved["training"]["pretrain"],
                transfer=transfer_of,
                validation=VALIDATION,
            ),
            state=f"{RESULTS}/state/scratch/{{study}}/{{criterion}}/{{part}}",
        ),


use rule stage as cost with:
    input:
        **CRITERIA_CODE,
        **FIRST_NETWORK,
    output:
        output=f"{RESULTS}/cost/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/cost/{{study}}.log",
    resources:
        **asked("cost"),
    params:
        **job(
            "cost",
            of_study(
                "criteria",
                "cost",
                "scope",
                "batch_size",
                remedies=remedies_of,
            ),
            criteria=IN_PYTHON,
        ),


use rule stage as latency with:
    input:
        **FIRST_NETWORK,
        **FIRST_RANKINGS,
    output:
        output=f"{RESULTS}/latency/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/latency/{{study}}.log",
    resources:
        **asked("latency"),
    params:
        **job(
            "latency",
            of_study("latency", "scope", "scheme", "budget", "min_units"),
            at_end="rankings",
        ),


use rule stage as gallery with:
    input:
        **CRITERIA_CODE,
        **FIRST_NETWORK,
        **FIRST_RANKINGS,
        samples=f"{RESULTS}/samples/{{study}}/{FIRST}.csv",
    output:
        output=f"{RESULTS}/gallery/{{study}}.npz",
    log:
        f"{RESULTS}/logs/gallery/{{study}}.log",
    resources:
        **asked("gallery"),
    params:
        **job(
            "gallery",
            of_study(
                "criteria",
                "gallery",
                "scope",
                "scheme",
                "budget",
                "min_units",
                "batch_size",
                samples_per_class=IMAGES,
            ),
            at_end="rankings",
        ),
