# Rankings: one rule a criterion, so that editing a criterion's file reruns that criterion alone.

for criterion in CRITERIA:

    rule:
        name:
            f"rank_{criterion}"
        input:
            criterion=criterion_code(criterion),
            data=dataset_of,
            models=rules.transfer.output.models,
            samples=rules.transfer.output.samples,
        output:
            f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            gpu=GPU,
        params:
            config=CONFIG,
            code=code(
                "ranking",
                "relevance",
                "pruning",
                "branches/ranking.py",
                "branches/study.py",
            ),
            criterion=criterion,
            settings=lambda wildcards, criterion=criterion: criterion_settings(
                wildcards.study, criterion
            )
            | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
            usage=f"{RESULTS}/usage/rank/{{study}}-{criterion}-{{part}}.json",
        shell:
            "secateur --usage {params.usage} rank --config {params.config} --study {wildcards.study} "
            "--criterion {params.criterion} --seeds {wildcards.part} --data {input.data} "
            "--models {input.models} --samples {input.samples} --output {output} 2>&1 | tee {log}"
