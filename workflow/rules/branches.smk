# The two branches with what is common to all criteria, the grid of filter and neuron rates, cost and latency, and
# pictures for the report.


use rule stage as unpruned with:
    input:
        **inputs.data,
        **inputs.models,
    output:
        output=f"{RESULTS}/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/unpruned/{{study}}/{{part}}.log",
    resources:
        **asked("unpruned"),
    params:
        **job("unpruned", settings.of_study(**settings.evaluation)),


use rule stage as fewshot with:
    input:
        **inputs.ranked,
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
        **job("fewshot", settings.of_criterion("run", "fewshot"), shared=planned.told),


use rule stage as repair with:
    input:
        **inputs.ranked,
        **inputs.samples,
    output:
        output=f"{RESULTS}/curves/repaired/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/repair/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("repair"),
    params:
        **job("repair", settings.of_criterion("run", "fewshot", remedies=settings.remedies), shared=planned.told),


use rule stage as decompose with:
    input:
        **inputs.ranked,
    output:
        output=f"{RESULTS}/curves/decomposed/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/decompose/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("decompose"),
    params:
        **job("decompose", settings.of_criterion("run", "decompose"), shared=planned.told),


use rule stage as grid with:
    input:
        **inputs.ranked,
    output:
        output=f"{RESULTS}/grid/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/grid/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    resources:
        **asked("grid"),
    params:
        **job("grid", settings.of_criterion("run", grid=settings.grid), shared=planned.told),


use rule stage as retrain with:
    input:
        **inputs.measured,
        **inputs.samples,
        criterion=criteria.of_round,
        tuned=criteria.tuned_of_round,
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
            settings.of_criterion("run", "retrain", validation=settings.validation),
            state=f"{RESULTS}/state/retrain/{{study}}/{{criterion}}/{{part}}",
            shared=planned.told,
        ),


use rule stage as retrain_unpruned with:
    input:
        **inputs.measured,
    output:
        output=f"{RESULTS}/curves/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/retrain_unpruned/{{study}}/{{part}}.log",
    resources:
        **asked("retrain_unpruned"),
    params:
        **job(
            "retrain-unpruned",
            settings.of_study("scope", "budget", "run", "retrain", validation=settings.validation),
            state=f"{RESULTS}/state/retrain_unpruned/{{study}}/{{part}}",
            shared=planned.told,
        ),


use rule stage as scratch with:
    input:
        **inputs.measured,
        shapes=rules.retrain.output.shapes,
        backbone=inputs.about_backbone,
    output:
        output=f"{RESULTS}/curves/scratch/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/scratch/{{study}}/{{criterion}}/{{part}}.log",
    resources:
        **asked("scratch"),
    params:
        **job(
            "scratch",
            settings.of_study(
                *("scope", "budget", "run", "retrain"),
                pretrain=planned.config["training"]["pretrain"],
                transfer=settings.transfer,
                validation=settings.validation,
            ),
            state=f"{RESULTS}/state/scratch/{{study}}/{{criterion}}/{{part}}",
        ),


use rule stage as cost with:
    input:
        **criteria.files,
        **inputs.first_network,
    output:
        output=f"{RESULTS}/cost/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/cost/{{study}}.log",
    resources:
        **asked("cost"),
    params:
        **job(
            "cost",
            settings.of_study("criteria", "cost", "scope", "batch_size", remedies=settings.remedies),
            criteria=planned.in_python,
        ),


use rule stage as latency with:
    input:
        **inputs.first_network,
        **inputs.first_rankings,
    output:
        output=f"{RESULTS}/latency/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/latency/{{study}}.log",
    resources:
        **asked("latency"),
    params:
        **job("latency", settings.of_study("latency", "scope", "scheme", "budget", "min_units"), at_end="rankings"),


use rule stage as gallery with:
    input:
        **criteria.files,
        **inputs.first_network,
        **inputs.first_rankings,
        **inputs.first_samples,
    output:
        output=f"{RESULTS}/gallery/{{study}}.npz",
    log:
        f"{RESULTS}/logs/gallery/{{study}}.log",
    resources:
        **asked("gallery"),
    params:
        **job(
            "gallery",
            settings.of_study(
                *("criteria", "gallery", "scope", "scheme", "budget", "min_units", "batch_size"),
                samples_per_class=settings.images,
            ),
            at_end="rankings",
        ),
