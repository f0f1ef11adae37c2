# From measurements to the page: tables, statistics, figures, report.


rule collect:
    input:
        measured=measured(),
    output:
        directory(f"{RESULTS}/tables"),
    log:
        f"{RESULTS}/logs/collect.log",
    conda:
        "../../envs/conda.yaml"
    params:
        config=CONFIG,
        code=code("analysis/collect.py", "layout.py"),
        usage=f"{RESULTS}/usage/collect/all.json",
    shell:
        "secateur --usage {params.usage} collect --config {params.config} --output {output} "
        "2>&1 | tee {log}"


rule statistics:
    input:
        claims="config/claims.yaml",
        tables=rules.collect.output,
        rankings=ranked(),
        redraws=redrawn(),
        published=published(),
    output:
        directory(f"{RESULTS}/statistics"),
    log:
        f"{RESULTS}/logs/statistics.log",
    conda:
        "../../envs/conda.yaml"
    params:
        config=CONFIG,
        code=code("analysis", "layout.py"),
        settings=settings(),
        usage=f"{RESULTS}/usage/statistics/all.json",
    shell:
        "secateur --usage {params.usage} statistics --config {params.config} --tables {input.tables} "
        "--output {output} 2>&1 | tee {log}"


rule figures:
    input:
        style="report/style.yaml",
        claims="config/claims.yaml",
        published=published(),
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        toy=boundaries(),
        gallery=galleries(),
    output:
        directory(f"{RESULTS}/figures"),
    log:
        f"{RESULTS}/logs/figures.log",
    conda:
        "../../envs/conda.yaml"
    params:
        toy=toy_folder,
        gallery=gallery_folder,
        workflow=WORKFLOW,
        code=code("report", "analysis"),
        usage=f"{RESULTS}/usage/figures/all.json",
    shell:
        "secateur --usage {params.usage} figures --tables {input.tables} --statistics {input.statistics} "
        "--toy {params.toy} --gallery {params.gallery} "
        "--workflow {params.workflow} --output {output} 2>&1 | tee {log}"


rule report:
    input:
        assets=[
            f"report/{name}"
            for name in (
                "page.html.j2",
                "methods.html.j2",
                "page.css",
                "page.js",
                "explorer.js",
                "style.yaml",
            )
        ],
        claims="config/claims.yaml",
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        figures=rules.figures.output,
    output:
        page=f"{RESULTS}/report.html",
        latex=f"{RESULTS}/tables.tex",
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/conda.yaml"
    params:
        config=CONFIG,
        code=code("report", "analysis", "provenance.py"),
        resolved=resolved,
        usage=f"{RESULTS}/usage/report/all.json",
    shell:
        "secateur --usage {params.usage} report make --config {params.config} --tables {input.tables} "
        "--statistics {input.statistics} --figures {input.figures} --output {output.page} 2>&1 | tee {log}"
