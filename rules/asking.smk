# What the rules of teachers look up in the study file.

from valley.asking import parts as asking
from valley.cluster.demands import teacher_gpus
from valley.core.parts import asking_parts

if wrong := asking.mistakes(STUDY.config):
    raise WorkflowError("\n".join(wrong))


def teacher_setting(*path):
    """Return an input function that looks up a setting of the rule's teacher."""
    return setting("corpus", "teachers", "{teacher}", *path)


@of_wildcards
def teacher_prompt(wildcards):
    """Return the texts in which the rule's teacher is asked; None is the statement."""
    return STUDY.teacher_prompt(wildcards.teacher)


def teacher_files(wildcards):
    """Return the files of a teacher that is a folder here."""
    name = STUDY.config["corpus"]["teachers"][wildcards.teacher]["model"]["id"]
    return model_files(f"corpus.teachers.{wildcards.teacher}.model.id", name)


@of_wildcards
def asked_in_parts(wildcards):
    """Return what tells that a teacher's answers are in its cache, where parts of them are asked for."""
    stem = f"{ROOT}/corpus/traces/{wildcards.teacher}"
    return [ancient(f"{stem}{part}.json") for part in asking_parts(STUDY.config, wildcards.teacher)]


@of_wildcards
def gpus_to_cut(wildcards):
    """Return the GPUs of the job that writes a teacher's traces: none where it only cuts them."""
    return teacher_gpus(STUDY.config, wildcards.teacher)
