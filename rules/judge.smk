# Verdicts: every program runs isolated, on all tests of its problem.

from judge import Judge, Labels


rule judge:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
    output:
        f"{ROOT}/verdicts/{{checkpoint}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/judge/{{checkpoint}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/judge/{{checkpoint}}/{{benchmark}}.tsv"
    group:
        grouped("verdicts")
    conda:
        "../envs/analysis.yaml"
    threads: asks("judge", "cpus")
    resources:
        mem_mb=asks("judge", "mem_mb"),
        runtime=asks("judge", "runtime"),
    params:
        **declared(Judge, form=form_of, store=STUDY.store),
    message:
        "Judge: programs of {wildcards.checkpoint} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/judge.py"


if STUDY.config["corpus"]["correctness"] == "judge":

    rule labels:
        input:
            problems=PROBLEMS,
            traces=TRACES,
        output:
            f"{ROOT}/corpus/labels.parquet",
        log:
            f"{ROOT}/logs/labels.log",
        benchmark:
            f"{ROOT}/timings/labels.tsv"
        group:
            grouped(BUNDLED)
        conda:
            "../envs/analysis.yaml"
        threads: asks("labels", "cpus")
        resources:
            mem_mb=asks("labels", "mem_mb"),
            runtime=asks("labels", "runtime"),
        params:
            **declared(Labels, store=STUDY.store),
        message:
            "Corpus: judge every trace's program"
        script:
            "../workflow_scripts/judge.py"
