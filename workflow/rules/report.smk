# From measurements to the page: tables, statistics, figures, report. On a cluster the four are one submission.

CLAIMS = brought("config/claims.yaml")
# Of the statistics and of the figures so many are made at once, where there are as many cores.
PIECES = 8
STYLE = brought("report/style.yaml")
PAGE = [
    brought(f"report/{name}")
    for name in (
        "page.html.j2",
        "methods.html.j2",
        "page.css",
        "page.js",
        "explorer.js",
        "style.yaml",
    )
]


rule collect:
    input:
        measured=measured(),
    output:
        directory(f"{RESULTS}/tables"),
    log:
        f"{RESULTS}/logs/collect.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    params:
        config=CONFIG,
        results=results_of,
        code=code("collect"),
        usage=f"{RESULTS}/usage/collect/all.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} collect --config {params.config} --results {params.results} "
        "--output {output} 2>&1 | tee {log}"


rule statistics:
    input:
        claims=CLAIMS,
        tables=rules.collect.output,
        images=images_of_studies(),
        rankings=ranked(),
        redraws=redrawn(),
        published=published(),
    output:
        report(
            directory(f"{RESULTS}/statistics"),
            patterns=["{table}.csv"],
            caption="../../report/captions/statistics.rst",
            category="Statistics",
            labels={"table": "{table}"},
        ),
    log:
        f"{RESULTS}/logs/statistics.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    threads: PIECES
    params:
        config=CONFIG,
        results=results_of,
        code=code("statistics", files=[CLAIMS, *published()]),
        settings=settings(),
        usage=f"{RESULTS}/usage/statistics/all.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} statistics --config {params.config} --results {params.results} "
        "--tables {input.tables} --output {output} --jobs {threads} 2>&1 | tee {log}"


rule figures:
    input:
        style=STYLE,
        claims=CLAIMS,
        published=published(),
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        toy=boundaries(),
        gallery=galleries(),
    output:
        report(
            directory(f"{RESULTS}/figures"),
            patterns=["{section}_{figure}.svg"],
            caption="../../report/captions/figure.rst",
            category="Figures",
            subcategory="{section}",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{RESULTS}/logs/figures.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    threads: PIECES
    params:
        toy=toy_folder,
        gallery=gallery_folder,
        workflow=WORKFLOW,
        code=code("figures", files=[STYLE, CLAIMS, *published()]),
        usage=f"{RESULTS}/usage/figures/all.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} figures --tables {input.tables} --statistics {input.statistics} "
        "--toy {params.toy} --gallery {params.gallery} "
        "--workflow {params.workflow} --output {output} --jobs {threads} 2>&1 | tee {log}"


rule report:
    input:
        assets=PAGE,
        claims=CLAIMS,
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        figures=rules.figures.output,
    output:
        page=report(
            f"{RESULTS}/report.html",
            caption="../../report/captions/page.rst",
            category="Report",
            labels={"file": "the page"},
        ),
        latex=report(
            f"{RESULTS}/tables.tex",
            caption="../../report/captions/latex.rst",
            category="Report",
            labels={"file": "tables for LaTeX"},
        ),
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/report.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    params:
        config=CONFIG,
        code=code("report make", files=[*PAGE, CLAIMS]),
        resolved=resolved,
        usage=f"{RESULTS}/usage/report/all.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} report make --config {params.config} --tables {input.tables} "
        "--statistics {input.statistics} --figures {input.figures} --output {output.page} 2>&1 | tee {log}"
