# From measurements to the page: tables, statistics, figures, report. On a cluster the four are one submission.


rule collect:
    input:
        measured=inputs.measurements(),
    output:
        directory(f"{RESULTS}/tables"),
    log:
        f"{RESULTS}/logs/collect.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    params:
        **job.alone("collect"),
        results=options.results,
    shell:
        "secateur --usage {params.usage} --code {params.code} collect --config {params.config} --results {params.results} "
        "--output {output} 2>&1 | tee {log}"


rule statistics:
    input:
        claims=inputs.claims,
        tables=rules.collect.output,
        images=inputs.images_of_studies(),
        rankings=inputs.rankings(),
        redraws=inputs.redraws(),
        published=inputs.published,
    output:
        report(directory(f"{RESULTS}/statistics"), **dag.listing.STATISTICS),
    log:
        f"{RESULTS}/logs/statistics.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    threads: 8  # so many are made at once, where there are as many cores
    params:
        **job.alone("statistics", files=[inputs.claims, *inputs.published]),
        results=options.results,
        settings=settings.of(),
    shell:
        "secateur --usage {params.usage} --code {params.code} statistics --config {params.config} --results {params.results} "
        "--tables {input.tables} --output {output} --jobs {threads} 2>&1 | tee {log}"


rule figures:
    input:
        style=inputs.style,
        claims=inputs.claims,
        published=inputs.published,
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        toy=inputs.boundaries(),
        gallery=inputs.galleries(),
    output:
        report(directory(f"{RESULTS}/figures"), **dag.listing.FIGURES),
    log:
        f"{RESULTS}/logs/figures.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    threads: 8
    params:
        toy=options.toy_folder,
        gallery=options.gallery_folder,
        workflow=planned.plan_file,
        code=code("figures", files=[inputs.style, inputs.claims, *inputs.published]),
        usage=f"{RESULTS}/usage/figures/all.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} figures --tables {input.tables} --statistics {input.statistics} "
        "--toy {params.toy} --gallery {params.gallery} --workflow {params.workflow} --output {output} --jobs {threads} 2>&1 | tee {log}"


rule report:
    input:
        assets=inputs.page,
        claims=inputs.claims,
        tables=rules.collect.output,
        statistics=rules.statistics.output,
        figures=rules.figures.output,
    output:
        page=report(f"{RESULTS}/report.html", **dag.listing.PAGE),
        latex=report(f"{RESULTS}/tables.tex", **dag.listing.LATEX),
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/report.log",
    group:
        "page"
    conda:
        "../../envs/conda.yaml"
    params:
        **job.alone("report make", files=[*inputs.page, inputs.claims]),
        resolved=planned.config,
    shell:
        "secateur --usage {params.usage} --code {params.code} report make --config {params.config} --tables {input.tables} "
        "--statistics {input.statistics} --figures {input.figures} --output {output.page} 2>&1 | tee {log}"
