# Tables, figures and the report.

# Every kind of figure, with the fits that it is drawn from.
DRAWN = {
    **{f"scaling/{name}": f"curves/{name}" for name in CURVE_NAMES},
    **{f"forecast/{name}": f"curves/{name}" for name in CURVE_NAMES},
    **{f"rates/{benchmark}": f"rates/{benchmark}" for benchmark in STUDY.benchmarks},
    **{f"correlation/{benchmark}": f"rates/{benchmark}" for benchmark in STUDY.benchmarks},
}
FOREST = [f"contrasts/{benchmark}" for benchmark in STUDY.benchmarks if CONTRAST_NAMES]
FIGURES = [f"{ROOT}/figures/{name}.svg" for name in [*DRAWN, *FOREST]]


wildcard_constraints:
    kind="scaling|forecast|rates|correlation",


rule figure:
    input:
        lambda wildcards: f"{ROOT}/{DRAWN[f'{wildcards.kind}/{wildcards.fit}']}.json",
    output:
        svg=f"{ROOT}/figures/{{kind}}/{{fit}}.svg",
        pdf=f"{ROOT}/figures/{{kind}}/{{fit}}.pdf",
        csv=f"{ROOT}/figures/{{kind}}/{{fit}}.csv",
    log:
        f"{ROOT}/logs/figure/{{kind}}/{{fit}}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        kind="{kind}",
        code=code_digest("report", "figure"),
    message:
        "Figure: {wildcards.kind}, {wildcards.fit}"
    script:
        "../workflow_scripts/report.py"


rule forest:
    input:
        of_benchmark("contrasts", CONTRAST_NAMES),
    output:
        svg=f"{ROOT}/figures/contrasts/{{benchmark}}.svg",
        pdf=f"{ROOT}/figures/contrasts/{{benchmark}}.pdf",
        csv=f"{ROOT}/figures/contrasts/{{benchmark}}.csv",
    log:
        f"{ROOT}/logs/figure/contrasts/{{benchmark}}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        kind="contrasts",
        code=code_digest("report", "figure"),
    message:
        "Figure: contrasts on {wildcards.benchmark}"
    script:
        "../workflow_scripts/report.py"


rule table:
    input:
        evaluated("scores", "json"),
    output:
        f"{ROOT}/tables/scores.csv",
    log:
        f"{ROOT}/logs/table.log",
    conda:
        "../envs/analysis.yaml"
    params:
        scored=[
            {
                **vars(arm),
                "benchmark": benchmark,
                "path": f"{ROOT}/scores/{STUDY.place(arm)}/{benchmark}.json",
            }
            for arm in STUDY.evaluated()
            for benchmark in STUDY.benchmarks
        ],
        code=code_digest("report", "table"),
    message:
        "Table: scores of every arm"
    script:
        "../workflow_scripts/report.py"


rule report:
    input:
        scores=rules.table.output[0],
        summary=rules.pool.output.summary,
        claims=expand(f"{ROOT}/claims/{{benchmark}}.json", benchmark=STUDY.benchmarks),
        curves=CURVES,
        contrasts=[f"{ROOT}/contrasts/{name}.json" for name in CONTRAST_NAMES],
        figures=FIGURES,
    output:
        html=f"{ROOT}/report.html",
        findings=f"{ROOT}/findings.txt",
    log:
        f"{ROOT}/logs/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        study=STUDY.described,
        template=file_digest(f"{workflow.basedir}/workflow_scripts/report.html.j2"),
        code=code_digest("report", "report"),
    message:
        "Report: {output.html}"
    script:
        "../workflow_scripts/report.py"
