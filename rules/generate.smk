# Generations: every checkpoint answers every benchmark, on the same draws.

ENGINE_CODE = code_digest(f"lm.engines.with_{STUDY.config['sampling']['engine']}", "Engine")


rule generate:
    input:
        checkpoint=place_checkpoint,
        benchmarks=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    output:
        f"{ROOT}/generations/{{place}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/generate/{{place}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/generate/{{place}}/{{benchmark}}.tsv"
    conda:
        "../envs/models.yaml"
    threads: asks("generate", "cpus")
    resources:
        mem_mb=asks("generate", "mem_mb"),
        runtime=asks("generate", "runtime"),
        gpu=asks("generate", "gpus"),
        nodes=asks("generate", "nodes"),
        stop_warning=180,
    params:
        samples=setting("sampling", "samples"),
        temperature=setting("sampling", "temperature"),
        top_p=setting("sampling", "top_p"),
        max_tokens=setting("sampling", "max_tokens"),
        stop=setting("sampling", "stop"),
        engine=setting("sampling", "engine"),
        precision=setting("sampling", "precision"),
        seed=setting("sampling", "seed"),
        prompts=lambda wildcards: [STUDY.prompt(wildcards.benchmark)],
        store=STUDY.store,
        engine_code=ENGINE_CODE,
        code=code_digest("generate", "wanted", "answer", "write"),
    message:
        "Generate: {wildcards.place} answers {wildcards.benchmark}"
    script:
        "../workflow_scripts/generate.py"
