# Checkpoints: the undistilled student, then every arm from its start and its shard.


def recipe(key):
    """Return an input function that looks up a key of the rule's recipe."""

    def look_up(wildcards):
        name = wildcards.get("recipe") or student_setting(wildcards, "recipe")
        return STUDY.config["recipes"][name][key] if name else None

    return look_up


def student_setting(wildcards, key):
    """Return a key of a student made from scratch; None for one of the hub."""
    return STUDY.config["students"][wildcards.student].get("scratch", {}).get(key)


def student_material(wildcards):
    """Return what a student is made of: nothing here when it comes from the hub."""
    if "scratch" not in STUDY.config["students"][wildcards.student]:
        return {}
    folder = f"{ROOT}/students/{wildcards.student}"
    return {"shard": f"{folder}/pairs.parquet", "text": f"{folder}/text.parquet"}


rule student:
    input:
        unpack(student_material),
    output:
        f"{ROOT}/students/{{student}}/checkpoint.json",
    params:
        hub=setting("students", "{student}", "hub"),
        vocabulary=setting("students", "{student}", "scratch", "vocabulary"),
        hidden=setting("students", "{student}", "scratch", "hidden"),
        layers=setting("students", "{student}", "scratch", "layers"),
        heads=setting("students", "{student}", "scratch", "heads"),
        seed=setting("students", "{student}", "scratch", "seed"),
        rate=recipe("learning_rate"),
        batch_examples=recipe("batch_examples"),
        epochs=recipe("epochs"),
        steps=recipe("steps"),
        schedule=recipe("schedule"),
        warmup=recipe("warmup"),
        weight_decay=recipe("weight_decay"),
        clip=recipe("clip"),
        max_length=recipe("max_length"),
        overlong=recipe("overlong"),
        row_tokens=recipe("row_tokens"),
        precision=recipe("precision"),
        gradient_checkpointing=recipe("gradient_checkpointing"),
        lora=recipe("lora"),
        store=STUDY.store,
        code=code_digest("train", "train", "new_student"),
    log:
        f"{ROOT}/logs/student/{{student}}.log",
    benchmark:
        f"{ROOT}/timings/student/{{student}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    message:
        "Student {wildcards.student}: the undistilled start"
    script:
        "../workflow_scripts/train.py"


rule train:
    input:
        start=start_checkpoint,
        shard=f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    output:
        f"{ROOT}/checkpoints/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}/checkpoint.json",
    params:
        seed=lambda wildcards: int(wildcards.seed),
        rate=recipe("learning_rate"),
        batch_examples=recipe("batch_examples"),
        epochs=recipe("epochs"),
        steps=recipe("steps"),
        schedule=recipe("schedule"),
        warmup=recipe("warmup"),
        weight_decay=recipe("weight_decay"),
        clip=recipe("clip"),
        max_length=recipe("max_length"),
        overlong=recipe("overlong"),
        row_tokens=recipe("row_tokens"),
        precision=recipe("precision"),
        gradient_checkpointing=recipe("gradient_checkpointing"),
        lora=recipe("lora"),
        store=STUDY.store,
        code=code_digest("train", "train"),
    log:
        f"{ROOT}/logs/train/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}.log",
    benchmark:
        f"{ROOT}/timings/train/{{student}}/{{recipe}}/{{start}}/{{slice}}/n{{size}}-s{{seed}}.tsv"
    threads: 1
    # The longest trainings first: a long one left for the end would leave the other cores idle.
    priority: lambda wildcards: int(wildcards.size)
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=lambda wildcards: gpus(wildcards.student),
    message:
        "Train {wildcards.student} ({wildcards.recipe}, from {wildcards.start}) on {wildcards.size} traces of {wildcards.slice}, replicate {wildcards.seed}"
    script:
        "../workflow_scripts/train.py"
