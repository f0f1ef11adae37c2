# The paper's 2-D study, one job a set.


rule toy:
    input:
        criteria=[criteria.file(name) for name in planned.toy_criteria],
        data="data/{dataset}",
    output:
        table=f"{RESULTS}/toy/{{dataset}}.parquet",
        boundaries=f"{RESULTS}/toy/{{dataset}}.npz",
        stability=f"{RESULTS}/toy/{{dataset}}.stability.parquet",
    log:
        f"{RESULTS}/logs/toy/{{dataset}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: planned.config["threads"]
    params:
        **job.alone("toy", "{dataset}", planned.toy_criteria),
        settings=settings.of("toy") if planned.toy_criteria else None,
        criteria=[planned.entry_of(name) for name in planned.toy_criteria],
    shell:
        "secateur --usage {params.usage} --code {params.code} toy --config {params.config} --data {input.data} --output {output.table} "
        "--boundaries {output.boundaries} --stability {output.stability} 2>&1 | tee {log}"
