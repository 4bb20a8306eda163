# Teachers: models that answer the corpus' questions anew, behind an endpoint or run here.

TEACHER_CODE = code_digest("teachers", "ask", "write", "costs", "tell")


rule ask_endpoint:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.asked("endpoint")),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        model=asked("endpoint", "model"),
        send_seed=asked("endpoint", "send_seed"),
        extra=asked("endpoint", "extra"),
        temperature=asked("temperature"),
        top_p=asked("top_p"),
        max_tokens=asked("max_tokens"),
        answers=asked("answers"),
        seed=asked("seed"),
        prompt=teacher_prompt,
        unanswered=asked("unanswered"),
        store=STUDY.store,
        code=TEACHER_CODE,
    message:
        "Corpus: {params.model} answers every question {params.answers} times"
    script:
        "../workflow_scripts/teachers.py"


rule ask_model:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.asked("model")),
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=1440,
        gpu=asked("model", "gpus"),
    params:
        id=asked("model", "id"),
        revision=asked("model", "revision"),
        engine=asked("model", "engine"),
        precision=asked("model", "precision"),
        temperature=asked("temperature"),
        top_p=asked("top_p"),
        max_tokens=asked("max_tokens"),
        answers=asked("answers"),
        seed=asked("seed"),
        prompt=teacher_prompt,
        unanswered=asked("unanswered"),
        store=STUDY.store,
        engine_code=lambda wildcards: code_digest(
            f"valley.lm.engines.with_{asked('model', 'engine')(wildcards)}", "Engine"
        ),
        code=TEACHER_CODE,
    message:
        "Corpus: {params.id} answers every question {params.answers} times"
    script:
        "../workflow_scripts/teachers.py"
