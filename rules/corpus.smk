# Problems and traces: from where they come to a labelled, cleaned pool; benchmarks beside them.

BANK_CODE = code_digest("corpus", "bank_problems")


rule benchmark:
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    params:
        number=setting("benchmarks", "{benchmark}", "bank", "problems"),
        seed=setting("benchmarks", "{benchmark}", "bank", "seed"),
        split=setting("benchmarks", "{benchmark}", "bank", "split", default="eval"),
        code=BANK_CODE,
    log:
        f"{ROOT}/logs/benchmark/{{benchmark}}.log",
    message:
        "Benchmark {wildcards.benchmark}: {params.number} problems"
    script:
        "../workflow_scripts/corpus.py"


rule problems:
    output:
        f"{ROOT}/corpus/problems.parquet",
    params:
        number=setting("corpus", "bank", "problems"),
        seed=setting("corpus", "bank", "seed"),
        split=setting("corpus", "bank", "split", default="train"),
        code=BANK_CODE,
    log:
        f"{ROOT}/logs/problems.log",
    message:
        "Corpus: {params.number} problems"
    script:
        "../workflow_scripts/corpus.py"


rule traces:
    input:
        problems=rules.problems.output[0],
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    params:
        mistakes=setting("corpus", "teachers", "{teacher}", "mistakes"),
        seed=setting("corpus", "teachers", "{teacher}", "seed"),
        code=code_digest("corpus", "traces"),
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    message:
        "Corpus: traces of teacher {wildcards.teacher}"
    script:
        "../workflow_scripts/corpus.py"


rule labels:
    input:
        problems=rules.problems.output[0],
        traces=expand(f"{ROOT}/corpus/traces/{{teacher}}.parquet", teacher=STUDY.teachers),
    output:
        f"{ROOT}/corpus/labels.parquet",
    params:
        isolation=setting("judge", "isolation"),
        store=STUDY.store,
        code=code_digest("judge", "judge_pool"),
    log:
        f"{ROOT}/logs/labels.log",
    benchmark:
        f"{ROOT}/timings/labels.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    message:
        "Corpus: judge every trace's program"
    script:
        "../workflow_scripts/judge.py"


rule pool:
    input:
        problems=rules.problems.output[0],
        traces=rules.labels.input.traces,
        labels=rules.labels.output[0],
        benchmarks=expand(f"{ROOT}/benchmarks/{{benchmark}}.parquet", benchmark=STUDY.benchmarks),
    output:
        pool=f"{ROOT}/corpus/pool.parquet",
        summary=f"{ROOT}/corpus/summary.json",
    params:
        difficulties=setting("corpus", "difficulties"),
        code=code_digest("corpus", "pool"),
    log:
        f"{ROOT}/logs/pool.log",
    message:
        "Corpus: the pool, cleaned and labelled"
    script:
        "../workflow_scripts/corpus.py"


rule pairs:
    output:
        pairs=f"{ROOT}/students/{{student}}/pairs.parquet",
        text=f"{ROOT}/students/{{student}}/text.parquet",
    params:
        number=setting("students", "{student}", "scratch", "pairs"),
        seed=setting("students", "{student}", "scratch", "seed"),
        code=code_digest("corpus", "pairs"),
    log:
        f"{ROOT}/logs/pairs/{{student}}.log",
    message:
        "Student {wildcards.student}: {params.number} direct answers to learn first"
    script:
        "../workflow_scripts/corpus.py"
