# The study of how distillation scales: from reasoning traces to fitted curves.
#
#   corpus → shards → checkpoints → generations → verdicts → scores → curves → figures, report
#
# `snakemake` runs config.yaml; `snakemake --configfile studies/….yaml` another; the schema has the keys.

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


report: "captions/workflow.rst"


include: "rules/common.smk"
include: "rules/running.smk"
include: "rules/resources.smk"
include: "rules/sampling.smk"
include: "rules/asking.smk"
include: "rules/benchmarks.smk"
include: "rules/sources.smk"
include: "rules/bank.smk"
include: "rules/pool.smk"
include: "rules/teachers.smk"
include: "rules/shards.smk"
include: "rules/train.smk"
include: "rules/generate.smk"
include: "rules/judge.smk"
include: "rules/score.smk"
include: "rules/canary.smk"
include: "rules/fit.smk"
include: "rules/report.smk"


# Not only the report: results that it is made from are wanted for themselves, and made again when
# they are gone. Shards and checkpoints are made only for what still has to be made from them.
rule all:
    default_target: True
    input:
        f"{ROOT}/report.html",
        f"{ROOT}/corpus/summary.html",
        evaluated("generations", "parquet"),
        evaluated("verdicts", "parquet"),
        evaluated("scores", "json"),
        CANARIES.values(),


rule shards:
    input:
        [
            f"{ROOT}/shards/{arm.shard}.parquet"
            for arm in STUDY.arms
            if STUDY.checkpoint(arm) not in PINNED
        ],


rule checkpoints:
    input:
        [STUDY.checkpoint(arm) for arm in STUDY.arms],


rule generations:
    input:
        evaluated("generations", "parquet"),


rule verdicts:
    input:
        evaluated("verdicts", "parquet"),


rule curves:
    input:
        CURVES,


rule figures:
    input:
        FIGURES,


onstart:
    refuse_concurrent_run()


onsuccess:
    track_scores()
    apply_retention()
