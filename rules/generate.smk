# Generations: every checkpoint answers every benchmark, on the same draws.
#
# With transformers one job answers one benchmark. vLLM takes minutes to start, so there one job
# answers all benchmarks of a checkpoint into its book, and the others cut their files out of it. A
# benchmark added later makes that job run again, for what is new only, and ages no other file.

from generate import Answer, Generate


rule answer:
    input:
        checkpoint=place_checkpoint,
        benchmarks=expand(f"{ROOT}/benchmarks/{{benchmark}}.parquet", benchmark=STUDY.benchmarks),
    output:
        f"{ROOT}/generations/{{place}}/answers.json",
    log:
        f"{ROOT}/logs/answer/{{place}}.log",
    benchmark:
        f"{ROOT}/timings/answer/{{place}}.tsv"
    conda:
        "../envs/vllm.yaml"
    container:
        CONTAINER
    threads: asks("answer", "cpus")
    resources:
        mem_mb=asks("answer", "mem_mb"),
        runtime=asks("answer", "runtime"),
        gpu=asks("answer", "gpus"),
        nodes=asks("answer", "nodes"),
        stop_warning=180,
    params:
        **declared(
            Answer,
            prompts=[STUDY.prompt(benchmark) for benchmark in STUDY.benchmarks],
            store=STUDY.store,
        ),
    message:
        "Answer: {wildcards.place} answers all benchmarks"
    script:
        "../workflow_scripts/generate.py"


rule generate:
    input:
        checkpoint=place_checkpoint,
        benchmarks=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        answers=answered,
    output:
        f"{ROOT}/generations/{{place}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/generate/{{place}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/generate/{{place}}/{{benchmark}}.tsv"
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: asks("generate", "cpus")
    resources:
        mem_mb=asks("generate", "mem_mb"),
        runtime=asks("generate", "runtime"),
        gpu=asks("generate", "gpus"),
        nodes=asks("generate", "nodes"),
        stop_warning=180,
    params:
        **declared(
            Generate,
            prompts=lambda wildcards: [STUDY.prompt(wildcards.benchmark)],
            store=STUDY.store,
        ),
    message:
        "Generate: {wildcards.place} answers {wildcards.benchmark}"
    script:
        "../workflow_scripts/generate.py"
