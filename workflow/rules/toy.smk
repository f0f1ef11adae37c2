# The paper's 2-D study, one job a set.

TOY_CRITERIA = configuration.toy_criteria(resolved) if "toy" in resolved else []


rule toy:
    input:
        criteria=[criterion_code(item["name"]) for item in TOY_CRITERIA],
        data="data/{dataset}",
    output:
        table=f"{RESULTS}/toy/{{dataset}}.parquet",
        boundaries=f"{RESULTS}/toy/{{dataset}}.npz",
        stability=f"{RESULTS}/toy/{{dataset}}.stability.parquet",
    log:
        f"{RESULTS}/logs/toy/{{dataset}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    params:
        config=CONFIG,
        code=code("toy", [item["name"] for item in TOY_CRITERIA]),
        settings=settings("toy") if TOY_CRITERIA else None,
        criteria=TOY_CRITERIA,
        usage=f"{RESULTS}/usage/toy/{{dataset}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} toy --config {params.config} --data {input.data} --output {output.table} "
        "--boundaries {output.boundaries} --stability {output.stability} 2>&1 | tee {log}"
