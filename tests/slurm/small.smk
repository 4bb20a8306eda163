# Small real jobs for the tests of faults: each does what its name says, and takes its time.

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parents[1] / "workflow_scripts"))

from valley.cluster import slurm_patches

slurm_patches.apply()


rule wait:
    output:
        "{name}.waited",
    resources:
        mem_mb=600,
        runtime=2,
    shell:
        "sleep {config[seconds]} && echo waited > {output}"


# Counts, twice a second; goes on where it was when it is stopped.
rule count:
    output:
        "{name}.counted",
    log:
        "{name}.log",
    resources:
        mem_mb=600,
        runtime=lambda wildcards: config["runtime"],
        stop_warning=20,
        slurm_partition=lambda wildcards: config.get("partition", "main"),
    params:
        store="store",
        goal=lambda wildcards: config["goal"],
    script:
        "count.py"


rule grow:
    output:
        "{name}.grown",
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=2,
    shell:
        "python -c 'import time; held = bytearray({config[megabytes]} << 20); time.sleep(8)'"
        " && echo {resources.mem_mb} > {output}"


rule misplaced:
    output:
        "{name}.misplaced",
    resources:
        mem_mb=600,
        runtime=2,
        qos="no_such_qos",
    shell:
        "touch {output}"


rule grouped:
    output:
        "{name}.grouped",
    group:
        "some"
    resources:
        mem_mb=600,
        runtime=2,
        slurm_account="nobodys",
    shell:
        "touch {output}"


rule timed:
    output:
        "{name}.timed",
    group:
        "timed"
    resources:
        mem_mb=600,
        runtime=2,
    shell:
        "date +%s.%N > {output}-begun; sleep {config[seconds]};"
        " echo $(cat {output}-begun) $(date +%s.%N) > {output}"


rule granted:
    output:
        "{name}.granted",
    resources:
        mem_mb=600,
        runtime=2,
        gpu=1,
    shell:
        "echo $CUDA_VISIBLE_DEVICES > {output}"


use rule wait as limited with:
    output:
        "{name}.limited",
    resources:
        mem_mb=600,
        runtime=2,
        qos="narrow",


rule fail:
    output:
        "{name}.failed",
    resources:
        mem_mb=600,
        runtime=2,
    shell:
        "echo started >> {output}-starts; exit 1"


use rule fail as fail_in_group with:
    output:
        "{name}.failed-in-group",
    group:
        "some"


# A rule may have retries of its own, beside the profile's.
use rule fail as fail_by_itself with:
    output:
        "{name}.failed-by-itself",
    retries: 2


# Two nodes with a GPU each, as a training of several nodes asks for them (see valley/lm/launch.py).
rule spread:
    output:
        "{name}.spread",
    resources:
        mem_mb=600,
        runtime=2,
        gpu=2,
        nodes=2,
    run:
        import os
        import subprocess
        from valley.lm import launch

        outer = {**os.environ, **launch.allocation()}
        told = subprocess.run(
            ["srun", "--overlap", "--nodes=2", "--ntasks=2", "--cpu-bind=none"]
            + ["sh", "-c", "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"],
            env=launch.environment(outer, 1),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        Path(output[0]).write_text(told)


# The same under other names, so that each can be told another way to ask for its GPUs.
use rule granted as granted_by_gres with:
    output:
        "{name}.granted-by-gres",


use rule granted as granted_by_task with:
    output:
        "{name}.granted-by-task",


use rule spread as spread_by_gres with:
    output:
        "{name}.spread-by-gres",
