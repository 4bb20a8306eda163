# Problems and traces: from where they come to a labelled, cleaned pool; benchmarks beside them.

BANK_CODE = code_digest("corpus", "bank_problems")


rule benchmark:
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/benchmark/{{benchmark}}.log",
    wildcard_constraints:
        benchmark=one_of([name for name in STUDY.benchmarks if name not in STUDY.sources]),
    group:
        grouped("corpus")
    conda:
        "../envs/analysis.yaml"
    params:
        number=setting("benchmarks", "{benchmark}", "bank", "problems"),
        seed=setting("benchmarks", "{benchmark}", "bank", "seed"),
        split=setting("benchmarks", "{benchmark}", "bank", "split", default="eval"),
        code=BANK_CODE,
    message:
        "Benchmark {wildcards.benchmark}: {params.number} problems"
    script:
        "../workflow_scripts/corpus.py"


CORPORA, QUESTIONS = STUDY.all_corpora, STUDY.questions
PROBLEMS = f"{ROOT}/corpus/problems.parquet"
TRACES = expand(f"{ROOT}/corpus/traces/{{teacher}}.parquet", teacher=STUDY.teachers)
# What was counted while sources were read; the bank has nothing to tell.
COUNTS = [f"{ROOT}/corpus/problems.json"] if CORPORA else []
COUNTS += expand(f"{ROOT}/corpus/traces/{{teacher}}.json", teacher=STUDY.corpora)


if CORPORA:

    rule source_problems:
        input:
            sum(map(files_of, [*CORPORA.values(), *QUESTIONS.values()]), []),
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
            runtime=240,
        params:
            sources=list(CORPORA.values()),
            questions=QUESTIONS,
            bad_rows=setting("corpus", "bad_rows"),
            code=code_digest("corpus", "source_problems"),
        message:
            "Corpus: the problems that its sources ask"
        script:
            "../workflow_scripts/corpus.py"

    rule source_traces:
        input:
            lambda wildcards: files_of(CORPORA[wildcards.teacher]),
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
            runtime=720,
        params:
            source=lambda wildcards: CORPORA[wildcards.teacher],
            correctness=setting("corpus", "correctness"),
            pass_rate=setting("corpus", "pass_rate"),
            bad_rows=setting("corpus", "bad_rows"),
            code=code_digest("corpus", "source_traces"),
        message:
            "Corpus: traces of source {wildcards.teacher}"
        script:
            "../workflow_scripts/corpus.py"

else:

    rule problems:
        output:
            f"{ROOT}/corpus/problems.parquet",
        log:
            f"{ROOT}/logs/problems.log",
        group:
            grouped("corpus")
        conda:
            "../envs/analysis.yaml"
        params:
            number=setting("corpus", "bank", "problems"),
            seed=setting("corpus", "bank", "seed"),
            split=setting("corpus", "bank", "split", default="train"),
            code=BANK_CODE,
        message:
            "Corpus: {params.number} problems"
        script:
            "../workflow_scripts/corpus.py"


rule traces:
    input:
        problems=PROBLEMS,
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    wildcard_constraints:
        teacher=one_of(STUDY.procedural),
    group:
        grouped("corpus")
    conda:
        "../envs/analysis.yaml"
    params:
        mistakes=setting("corpus", "teachers", "{teacher}", "mistakes"),
        seed=setting("corpus", "teachers", "{teacher}", "seed"),
        code=code_digest("corpus", "traces"),
    message:
        "Corpus: traces of teacher {wildcards.teacher}"
    script:
        "../workflow_scripts/corpus.py"


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
            isolation=setting("judge", "isolation"),
            store=STUDY.store,
            code=code_digest("judge", "judge_pool"),
        message:
            "Corpus: judge every trace's program"
        script:
            "../workflow_scripts/judge.py"

else:

    rule given_labels:
        input:
            traces=TRACES,
        output:
            f"{ROOT}/corpus/labels.parquet",
        log:
            f"{ROOT}/logs/labels.log",
        group:
            grouped(BUNDLED)
        conda:
            "../envs/analysis.yaml"
        params:
            code=code_digest("corpus", "given_labels"),
        message:
            "Corpus: labels as the sources have them"
        script:
            "../workflow_scripts/corpus.py"


rule pool:
    input:
        problems=PROBLEMS,
        traces=TRACES,
        labels=f"{ROOT}/corpus/labels.parquet",
        benchmarks=expand(f"{ROOT}/benchmarks/{{benchmark}}.parquet", benchmark=STUDY.benchmarks),
        counts=COUNTS,
    output:
        pool=f"{ROOT}/corpus/pool.parquet",
        summary=f"{ROOT}/corpus/summary.json",
    log:
        f"{ROOT}/logs/pool.log",
    benchmark:
        f"{ROOT}/timings/pool.tsv"
    group:
        grouped(BUNDLED)
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=2000 if BUNDLED else 4000,
        runtime=10 if BUNDLED else 720,
    params:
        difficulties=setting("corpus", "difficulties"),
        ratings=setting("corpus", "ratings"),
        # The bank's traces are alike by design, and their teacher's mistakes are to stay.
        cleaning=(
            setting("corpus", "cleaning")
            if STUDY.corpora or STUDY.asked("endpoint", "model")
            else None
        ),
        words=setting("corpus", "decontamination", "words"),
        overlap=setting("corpus", "decontamination", "overlap"),
        prompt=study_prompt,
        held_out=setting("validation", "share"),
        code=code_digest("corpus", "pool"),
    message:
        "Corpus: the pool, cleaned and labelled"
    script:
        "../workflow_scripts/corpus.py"


rule corpus_page:
    input:
        rules.pool.output.summary,
    output:
        f"{ROOT}/corpus/summary.html",
    log:
        f"{ROOT}/logs/corpus_page.log",
    conda:
        "../envs/analysis.yaml"
    params:
        template=file_digest(f"{workflow.basedir}/workflow_scripts/valley/corpora/page.html.j2"),
        code=code_digest("corpus", "page"),
    message:
        "Corpus: what became of it, {output}"
    script:
        "../workflow_scripts/corpus.py"


rule pairs:
    output:
        pairs=f"{ROOT}/students/{{student}}/pairs.parquet",
        text=f"{ROOT}/students/{{student}}/text.parquet",
    log:
        f"{ROOT}/logs/pairs/{{student}}.log",
    group:
        grouped("corpus")
    conda:
        "../envs/analysis.yaml"
    params:
        number=setting("students", "{student}", "scratch", "pairs"),
        seed=setting("students", "{student}", "scratch", "seed"),
        prompt=study_prompt,
        code=code_digest("corpus", "pairs"),
    message:
        "Student {wildcards.student}: {params.number} direct answers to learn first"
    script:
        "../workflow_scripts/corpus.py"
