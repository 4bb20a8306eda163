# Verdicts: every program runs isolated, on all tests of its problem.
#
# With `judge: {jobs: 8}` eight jobs share what one of these would judge. Verdicts of programs are
# kept in the store, and the job that writes the file finds them there.

from judge import Judge, JudgePart, Labels, LabelsPart
from valley.core.parts import SEVERAL, judging_parts

JUDGING_PARTS = judging_parts(STUDY.config)


rule judge_part:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
    output:
        f"{ROOT}/verdicts/{{checkpoint}}/{{benchmark}}{{part}}.json",
    log:
        f"{ROOT}/logs/judge/{{checkpoint}}/{{benchmark}}{{part}}.log",
    benchmark:
        f"{ROOT}/timings/judge/{{checkpoint}}/{{benchmark}}{{part}}.tsv"
    wildcard_constraints:
        part=SEVERAL,
    conda:
        "../envs/analysis.yaml"
    threads: asks("judge_part", "cpus")
    resources:
        mem_mb=asks("judge_part", "mem_mb"),
        runtime=asks("judge_part", "runtime"),
    params:
        **declared(JudgePart, form=form_of, store=STUDY.store),
    message:
        "Judge: programs of {wildcards.checkpoint} on {wildcards.benchmark} (part{wildcards.part})"
    script:
        "../workflow_scripts/judge.py"


rule judge:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
        judged=[
            ancient(f"{ROOT}/verdicts/{{checkpoint}}/{{benchmark}}{part}.json")
            for part in JUDGING_PARTS
        ],
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

    rule labels_part:
        input:
            problems=PROBLEMS,
            traces=TRACES,
        output:
            f"{ROOT}/corpus/labels{{part}}.json",
        log:
            f"{ROOT}/logs/labels{{part}}.log",
        benchmark:
            f"{ROOT}/timings/labels{{part}}.tsv"
        wildcard_constraints:
            part=SEVERAL,
        conda:
            "../envs/analysis.yaml"
        threads: asks("labels_part", "cpus")
        resources:
            mem_mb=asks("labels_part", "mem_mb"),
            runtime=asks("labels_part", "runtime"),
        params:
            **declared(LabelsPart, store=STUDY.store),
        message:
            "Corpus: judge every trace's program (part{wildcards.part})"
        script:
            "../workflow_scripts/judge.py"

    rule labels:
        input:
            problems=PROBLEMS,
            traces=TRACES,
            judged=[ancient(f"{ROOT}/corpus/labels{part}.json") for part in JUDGING_PARTS],
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
