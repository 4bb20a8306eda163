# Tables, figures and the report.

from report import AcrossFigure, Answers, Figure, Report, Table
from valley.core.parts import undivided

# Every kind of figure, with the fits that it is drawn from.
DRAWN = {
    **{f"scaling/{name}": f"{ROOT}/curves/{name}.json" for name in CURVE_NAMES},
    **{f"learning/{name}": f"{ROOT}/learning/{name}.json" for name in LEARNING_NAMES},
    **{f"forecast/{name}": f"{ROOT}/curves/{name}.json" for name in CURVE_NAMES},
    # Rates use the arms on curves.
    **{
        f"{kind}/{benchmark}": f"{ROOT}/rates/{benchmark}.json"
        for kind in ("rates", "correlation")
        for benchmark in STUDY.benchmarks
        if CURVE_NAMES
    },
}
COMPARED = [f"{ROOT}/contrasts/{name}.json" for name in CONTRAST_NAMES]
COMPARED += [f"{ROOT}/interactions/{name}.json" for name in INTERACTION_NAMES]
FOREST = [f"contrasts/{benchmark}" for benchmark in STUDY.benchmarks if COMPARED]
TOGETHER = [f"across/{name}" for name in ACROSS_NAMES]
FIGURES = [f"{ROOT}/figures/{name}.svg" for name in [*DRAWN, *FOREST, *TOGETHER]]


wildcard_constraints:
    kind="scaling|learning|forecast|rates|correlation",


rule figure:
    input:
        fits=lambda wildcards: DRAWN[f"{wildcards.kind}/{wildcards.fit}"],
    output:
        svg=report(
            f"{ROOT}/figures/{{kind}}/{{fit}}.svg",
            caption="../captions/figure.rst",
            category="Figures",
            subcategory="{kind}",
            labels={"fit": "{fit}"},
        ),
        pdf=f"{ROOT}/figures/{{kind}}/{{fit}}.pdf",
        csv=f"{ROOT}/figures/{{kind}}/{{fit}}.csv",
    log:
        f"{ROOT}/logs/figure/{{kind}}/{{fit}}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Figure, kind="{kind}"),
    message:
        "Figure: {wildcards.kind}, {wildcards.fit}"
    script:
        "../workflow_scripts/report.py"


rule across_figure:
    input:
        fits=f"{ROOT}/across/{ACROSS}.json",
    output:
        svg=report(
            f"{ROOT}/figures/across/{ACROSS}.svg",
            caption="../captions/figure.rst",
            category="Figures",
            subcategory="across",
            labels={"fit": f"{ACROSS}"},
        ),
        pdf=f"{ROOT}/figures/across/{ACROSS}.pdf",
        csv=f"{ROOT}/figures/across/{ACROSS}.csv",
    log:
        f"{ROOT}/logs/figure/across/{ACROSS}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(AcrossFigure),
    message:
        "Figure: students of {wildcards.axis} together on {wildcards.benchmark}"
    script:
        "../workflow_scripts/report.py"


rule forest:
    input:
        fits=compared_on,
    output:
        svg=report(
            f"{ROOT}/figures/contrasts/{{benchmark}}.svg",
            caption="../captions/figure.rst",
            category="Figures",
            subcategory="contrasts",
            labels={"benchmark": "{benchmark}"},
        ),
        pdf=f"{ROOT}/figures/contrasts/{{benchmark}}.pdf",
        csv=f"{ROOT}/figures/contrasts/{{benchmark}}.csv",
    log:
        f"{ROOT}/logs/figure/contrasts/{{benchmark}}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Figure, kind="contrasts"),
    message:
        "Figure: contrasts on {wildcards.benchmark}"
    script:
        "../workflow_scripts/report.py"


rule table:
    input:
        evaluated("scores", "json"),
    output:
        scores=report(
            f"{ROOT}/tables/scores.csv",
            caption="../captions/table.rst",
            category="Tables",
            labels={"table": "scores"},
        ),
        verdicts=f"{ROOT}/tables/verdicts.csv",
    log:
        f"{ROOT}/logs/table.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Table,
            scored=[
                {
                    **vars(arm),
                    "benchmark": benchmark,
                    "path": f"{ROOT}/scores/{STUDY.checkpoint_name(arm)}/{benchmark}.json",
                }
                for arm in STUDY.evaluated()
                for benchmark in STUDY.benchmarks
            ],
        ),
    message:
        "Table: scores of every arm"
    script:
        "../workflow_scripts/report.py"


# Few problems, all arms: the answers that the report shows side by side.
rule answers:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(evaluated_points(), wildcards.benchmark),
    output:
        f"{ROOT}/tables/answers/{{benchmark}}.json",
    log:
        f"{ROOT}/logs/answers/{{benchmark}}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Answers,
            arms=lambda wildcards: with_results(evaluated_points(), wildcards.benchmark),
            benchmark="{benchmark}",
            benchmarks=len(STUDY.benchmarks),
            form=form_of,
        ),
    message:
        "Answers to read, on {wildcards.benchmark}"
    script:
        "../workflow_scripts/report.py"


rule report:
    input:
        scores=rules.table.output.scores,
        verdicts=rules.table.output.verdicts,
        summary=rules.pool.output.summary,
        slices=SLICE_SUMMARIES,
        claims=expand(f"{ROOT}/claims/{{benchmark}}.json", benchmark=STUDY.benchmarks),
        curves=CURVES,
        contrasts=COMPARED,
        rates=expand(f"{ROOT}/rates/{{benchmark}}.json", benchmark=STUDY.benchmarks),
        figures=FIGURES,
        tables=[figure.replace(".svg", ".csv") for figure in FIGURES],
        answers=expand(f"{ROOT}/tables/answers/{{benchmark}}.json", benchmark=STUDY.benchmarks),
        checkpoints=[STUDY.checkpoint(arm) for arm in STUDY.arms],
    output:
        html=report(
            f"{ROOT}/report.html",
            caption="../captions/report.rst",
            category="Report",
            labels={"page": "the study as a short paper"},
        ),
        findings=f"{ROOT}/findings.txt",
    log:
        f"{ROOT}/logs/report.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Report, study=undivided(STUDY.described)),
    message:
        "Report: {output.html}"
    script:
        "../workflow_scripts/report.py"
