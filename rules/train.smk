# Checkpoints: the undistilled student, then every arm from its start and its shard.

from train import Student, Train

CHECKPOINT = f"{ROOT}/checkpoints/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}"


rule student:
    input:
        unpack(student_material),
    output:
        f"{ROOT}/students/{{student}}/checkpoint.json",
    log:
        f"{ROOT}/logs/student/{{student}}.log",
    benchmark:
        f"{ROOT}/timings/student/{{student}}.tsv"
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: asks("student", "cpus")
    resources:
        mem_mb=asks("student", "mem_mb"),
        runtime=asks("student", "runtime"),
        gpu=0,
    params:
        **declared(Student, recipe=recipe, hub=hub_model, chat=chat, store=STUDY.store),
    message:
        "Student {wildcards.student}: the undistilled start"
    script:
        "../workflow_scripts/train.py"


rule train:
    input:
        start=start_checkpoint,
        shard=f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
        validation=HELD_OUT,
        canary=canary_of,
        whole=whole_training,
    output:
        manifest=f"{CHECKPOINT}/checkpoint.json",
        validated=f"{CHECKPOINT}/validation.json" if HELD_OUT else [],
    log:
        f"{ROOT}/logs/train/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}.log",
    benchmark:
        f"{ROOT}/timings/train/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}.tsv"
    # The longest trainings first: a long one left for the end would leave the other cores idle.
    priority: lambda wildcards: int(wildcards.size)
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: asks("train", "cpus")
    resources:
        mem_mb=asks("train", "mem_mb"),
        runtime=asks("train", "runtime"),
        gpu=asks("train", "gpus"),
        nodes=asks("train", "nodes"),
        trainings=1,
        stop_warning=180,
    params:
        **declared(
            Train,
            recipe=recipe,
            seed=lambda wildcards: int(wildcards.seed),
            evaluations=setting("validation", "evaluations") if HELD_OUT else None,
            store=STUDY.store,
        ),
    message:
        "Train {wildcards.student} ({wildcards.recipe}, from {wildcards.start}) on {wildcards.size} traces of {wildcards.slice}, replicate {wildcards.seed}"
    script:
        "../workflow_scripts/train.py"
