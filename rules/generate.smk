# Generations: every checkpoint answers every benchmark, on the same draws.


rule generate:
    input:
        checkpoint=place_checkpoint,
        benchmark=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    output:
        f"{ROOT}/generations/{{place}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/generate/{{place}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/generate/{{place}}/{{benchmark}}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=lambda wildcards: gpus(wildcards.place.split("/")[0]),
    params:
        samples=setting("sampling", "samples"),
        temperature=setting("sampling", "temperature"),
        top_p=setting("sampling", "top_p"),
        max_tokens=setting("sampling", "max_tokens"),
        batch_size=setting("sampling", "batch_size"),
        seed=setting("sampling", "seed"),
        store=STUDY.store,
        code=code_digest("generate", "generate"),
    message:
        "Generate: {wildcards.place} answers {wildcards.benchmark}"
    script:
        "../workflow_scripts/generate.py"
