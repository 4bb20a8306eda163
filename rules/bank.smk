# The bundled generator: problems, its teacher's traces, and first training data of scratch students.

from bank import Pairs, Problems, Traces


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
        **declared(
            Problems,
            number=setting("benchmarks", "{benchmark}", "bank", "problems"),
            seed=setting("benchmarks", "{benchmark}", "bank", "seed"),
            split=setting("benchmarks", "{benchmark}", "bank", "split", default="eval"),
            form=setting("benchmarks", "{benchmark}", "bank", "form"),
            steps=setting("benchmarks", "{benchmark}", "bank", "steps"),
        ),
    message:
        "Benchmark {wildcards.benchmark}: {params.number} problems"
    script:
        "../workflow_scripts/bank.py"


if not CORPORA:

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
            **declared(
                Problems,
                number=setting("corpus", "bank", "problems"),
                seed=setting("corpus", "bank", "seed"),
                split=setting("corpus", "bank", "split", default="train"),
                form=setting("corpus", "bank", "form"),
                steps=setting("corpus", "bank", "steps"),
            ),
        message:
            "Corpus: {params.number} problems"
        script:
            "../workflow_scripts/bank.py"


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
        **declared(Traces),
    message:
        "Corpus: traces of teacher {wildcards.teacher}"
    script:
        "../workflow_scripts/bank.py"


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
        **declared(Pairs, prompt=study_prompt),
    message:
        "Student {wildcards.student}: {params.number} direct answers to learn first"
    script:
        "../workflow_scripts/bank.py"
