# Problems and traces: from where they come to a labelled, cleaned pool; benchmarks beside them.

BANK_CODE = code_digest("corpus", "bank_problems")


rule benchmark:
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/benchmark/{{benchmark}}.log",
    wildcard_constraints:
        benchmark=one_of([name for name in STUDY.benchmarks if name not in STUDY.sources]),
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


rule problems:
    output:
        f"{ROOT}/corpus/problems.parquet",
    log:
        f"{ROOT}/logs/problems.log",
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
        problems=rules.problems.output[0],
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
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


rule labels:
    input:
        problems=rules.problems.output[0],
        traces=expand(f"{ROOT}/corpus/traces/{{teacher}}.parquet", teacher=STUDY.teachers),
    output:
        f"{ROOT}/corpus/labels.parquet",
    log:
        f"{ROOT}/logs/labels.log",
    benchmark:
        f"{ROOT}/timings/labels.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        isolation=setting("judge", "isolation"),
        store=STUDY.store,
        code=code_digest("judge", "judge_pool"),
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
    log:
        f"{ROOT}/logs/pool.log",
    conda:
        "../envs/analysis.yaml"
    params:
        difficulties=setting("corpus", "difficulties"),
        prompt=STUDY.prompt(),
        code=code_digest("corpus", "pool"),
    message:
        "Corpus: the pool, cleaned and labelled"
    script:
        "../workflow_scripts/corpus.py"


rule pairs:
    output:
        pairs=f"{ROOT}/students/{{student}}/pairs.parquet",
        text=f"{ROOT}/students/{{student}}/text.parquet",
    log:
        f"{ROOT}/logs/pairs/{{student}}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        number=setting("students", "{student}", "scratch", "pairs"),
        seed=setting("students", "{student}", "scratch", "seed"),
        prompt=STUDY.prompt(),
        code=code_digest("corpus", "pairs"),
    message:
        "Student {wildcards.student}: {params.number} direct answers to learn first"
    script:
        "../workflow_scripts/corpus.py"
