# Corpora made elsewhere: their problems and traces, read and counted.

from sources import SourceProblems, SourceTraces

CORPORA, QUESTIONS = STUDY.all_corpora, STUDY.questions
PROBLEMS = f"{ROOT}/corpus/problems.parquet"
TRACES = expand(f"{ROOT}/corpus/traces/{{teacher}}.parquet", teacher=STUDY.teachers)
# Counts of the sources while they were read; the bank has none.
COUNTS = [f"{ROOT}/corpus/problems.json"] if CORPORA else []
COUNTS += expand(f"{ROOT}/corpus/traces/{{teacher}}.json", teacher=STUDY.corpora)


if CORPORA:

    rule source_problems:
        input:
            files=sum(map(files_of, [*CORPORA.values(), *QUESTIONS.values()]), []),
        output:
            problems=f"{ROOT}/corpus/problems.parquet",
            counts=f"{ROOT}/corpus/problems.json",
        log:
            f"{ROOT}/logs/problems.log",
        benchmark:
            f"{ROOT}/timings/problems.tsv"
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=at_most(240),
        params:
            **declared(SourceProblems, sources=list(CORPORA.values()), questions=QUESTIONS),
        message:
            "Corpus: the problems that its sources ask"
        script:
            "../workflow_scripts/sources.py"

    rule source_traces:
        input:
            files=lambda wildcards: files_of(CORPORA[wildcards.teacher]),
            problems=rules.source_problems.output.problems,
        output:
            traces=f"{ROOT}/corpus/traces/{{teacher}}.parquet",
            counts=f"{ROOT}/corpus/traces/{{teacher}}.json",
        log:
            f"{ROOT}/logs/traces/{{teacher}}.log",
        benchmark:
            f"{ROOT}/timings/traces/{{teacher}}.tsv"
        wildcard_constraints:
            teacher=one_of(STUDY.corpora),
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=at_most(720),
        params:
            **declared(SourceTraces, source=lambda wildcards: CORPORA[wildcards.teacher]),
        message:
            "Corpus: traces of source {wildcards.teacher}"
        script:
            "../workflow_scripts/sources.py"
