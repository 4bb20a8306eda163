# The pool: traces with their labels, cleaned and counted, and a page on the cleaning.

from pool import CorpusPage, GivenLabels, Pool

if STUDY.config["corpus"]["correctness"] != "judge":

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
            **declared(GivenLabels),
        message:
            "Corpus: labels as the sources have them"
        script:
            "../workflow_scripts/pool.py"


rule pool:
    input:
        problems=PROBLEMS,
        traces=TRACES,
        labels=f"{ROOT}/corpus/labels.parquet",
        benchmarks=expand(f"{ROOT}/benchmarks/{{benchmark}}.parquet", benchmark=STUDY.distinct),
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
        runtime=at_most(SHORT_MINUTES if BUNDLED else 720),
    params:
        **declared(
            Pool,
            # The bank's traces are alike by design, and their teacher's mistakes must stay.
            cleaning=(
                setting("corpus", "cleaning")
                if STUDY.corpora or STUDY.teachers_of_kind("endpoint", "model")
                else None
            ),
            prompt=study_prompt,
        ),
    message:
        "Corpus: the pool, cleaned and labelled"
    script:
        "../workflow_scripts/pool.py"


rule corpus_page:
    input:
        summary=rules.pool.output.summary,
        slices=SLICE_SUMMARIES,
    output:
        f"{ROOT}/corpus/summary.html",
    log:
        f"{ROOT}/logs/corpus_page.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            CorpusPage,
            declared=lambda wildcards: {name: STUDY.slices[name] for name in STUDY.slices_used},
        ),
    message:
        "Corpus: summary page, {output}"
    script:
        "../workflow_scripts/pool.py"
