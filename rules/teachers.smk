# Teachers: models that answer the corpus' questions anew, behind an endpoint or run here.
#
# With `jobs: 8` eight jobs share a teacher's questions. All write to the teacher's one answer cache,
# and the job that writes the traces cuts them out of it.

from teachers import AskEndpoint, AskEndpointPart, AskModel, AskModelPart
from valley.cluster.demands import DAY_MINUTES, TEACHER_MB
from valley.core.parts import SEVERAL


rule ask_endpoint_part:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
    output:
        f"{ROOT}/corpus/traces/{{teacher}}{{part}}.json",
    log:
        f"{ROOT}/logs/traces/{{teacher}}{{part}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}{{part}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.teachers_of_kind("endpoint")),
        part=SEVERAL,
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=at_most(DAY_MINUTES),
    params:
        **declared(AskEndpointPart, prompt=teacher_prompt, store=STUDY.store),
    message:
        "Corpus: {params.model} answers every question {params.answers} times (part{wildcards.part})"
    script:
        "../workflow_scripts/teachers.py"


rule ask_endpoint:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
        answered=asked_in_parts,
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.teachers_of_kind("endpoint")),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=at_most(DAY_MINUTES),
    params:
        **declared(AskEndpoint, prompt=teacher_prompt, store=STUDY.store),
    message:
        "Corpus: {params.model} answers every question {params.answers} times"
    script:
        "../workflow_scripts/teachers.py"


rule ask_model_part:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
        weights=teacher_files,
    output:
        f"{ROOT}/corpus/traces/{{teacher}}{{part}}.json",
    log:
        f"{ROOT}/logs/traces/{{teacher}}{{part}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}{{part}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.teachers_of_kind("model")),
        part=SEVERAL,
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: 1
    resources:
        mem_mb=TEACHER_MB,
        runtime=at_most(DAY_MINUTES),
        gpu=teacher_setting("model", "gpus"),
    params:
        **declared(AskModelPart, prompt=teacher_prompt, store=STUDY.store),
    message:
        "Corpus: {params.id} answers every question {params.answers} times (part{wildcards.part})"
    script:
        "../workflow_scripts/teachers.py"


rule ask_model:
    input:
        problems=f"{ROOT}/corpus/problems.parquet",
        answered=asked_in_parts,
        weights=teacher_files,
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    log:
        f"{ROOT}/logs/traces/{{teacher}}.log",
    benchmark:
        f"{ROOT}/timings/traces/{{teacher}}.tsv"
    wildcard_constraints:
        teacher=one_of(STUDY.teachers_of_kind("model")),
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: 1
    resources:
        mem_mb=TEACHER_MB,
        runtime=at_most(DAY_MINUTES),
        gpu=gpus_to_cut,
    params:
        **declared(AskModel, prompt=teacher_prompt, store=STUDY.store),
    message:
        "Corpus: {params.id} answers every question {params.answers} times"
    script:
        "../workflow_scripts/teachers.py"
