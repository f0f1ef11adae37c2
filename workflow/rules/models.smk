# Models: a backbone is fetched, read or pretrained, then transferred to each study's task once a seed; what of the
# network can be removed is found once.

if not planned.pretrains:  # what fetches weights needs the network, as the rule `fetch` does

    localrules:
        backbone,


rule backbone:
    input:
        inputs.source_of_backbone,
    output:
        weights=f"{RESULTS}/backbones/{{backbone}}{{draw}}.safetensors",
        about=f"{RESULTS}/backbones/{{backbone}}{{draw}}.json",
    log:
        f"{RESULTS}/logs/backbone/{{backbone}}{{draw}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: planned.config["threads"]
    resources:
        **asked("backbone"),
    params:
        **job.alone("backbone", "{backbone}{draw}"),
        settings=settings.backbone,
        data=options.pretraining,
        draw=options.draw,
        state=f"{RESULTS}/state/backbone",
    shell:
        "secateur --usage {params.usage} --code {params.code} backbone --config {params.config} --backbone {wildcards.backbone} "
        "{params.data} {params.draw} --state {params.state} --output {output.weights} --about {output.about} 2>&1 | tee {log}"


use rule stage as transfer with:
    input:
        **inputs.data,
        backbone=inputs.backbones,
    output:
        **inputs.models,
        **inputs.samples,
        history=f"{RESULTS}/models/{{study}}/{{part}}.csv",
    log:
        f"{RESULTS}/logs/transfer/{{study}}/{{part}}.log",
    resources:
        **asked("transfer"),
    params:
        **job(
            "transfer",
            settings.of_study(
                transfer=settings.transfer,
                validation=settings.validation,
                fewshot=settings.images,
                retrain=planned.config["retrain"]["samples_per_class"],
            ),
            state=f"{RESULTS}/state/transfer/{{study}}/{{part}}",
        ),


# What of a network can be removed asks for no card, and for minutes on any machine.
use rule stage as units with:
    input:
        **inputs.data,
    output:
        output=f"{RESULTS}/units/{{study}}.safetensors",
        table=f"{RESULTS}/units/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/units/{{study}}.log",
    resources:
        mem_mb=asked.memory,
    params:
        **job("units", settings.of_network("scope")),
