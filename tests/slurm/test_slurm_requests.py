"""What sbatch was really asked for, and what SLURM granted, in the ways that sites want it."""


def asked(lab) -> dict[str, tuple[str, str]]:
    """Return the command line and the grant of each job, by rule."""
    fields = "Comment,SubmitLine,AllocTRES,JobID"
    printed = lab.cluster.command("sacct", "-a", "-X", "-n", "-P", "-o", fields)
    rows = [line.split("|") for line in printed.splitlines()]
    return {
        comment.removeprefix("rule_").split("_wildcards_")[0]: (line, granted)
        for comment, line, granted, job in rows
        if job not in lab.began
    }


# For each rule: what is asked, what is never asked, and the GPUs that are granted.
WAYS = {
    "granted": (" --gpus=fake:1", ("--gres", "--ntasks-per-gpu"), 1),
    "granted_by_gres": (" --gres=gpu:fake:1", ("--gpus",), 1),
    "granted_by_task": (" --ntasks-per-gpu=1", ("--gres",), 1),
    "spread": (" --gpus-per-node=fake:1", ("--gres",), 2),
    "spread_by_gres": (" --gres=gpu:fake:1", ("--gpus",), 2),
    "wait": (" --ntasks=1", ("--gres", "--gpus"), None),
}


def test_gpus_are_asked_for_as_the_site_wants_it(lab):
    """Each rule as a line of the profile would have it; a model for all touches no other job."""
    targets = ("granted", "granted-by-gres", "granted-by-task", "spread", "spread-by-gres")
    run = lab.start(
        *(f"a.{target}" for target in targets),
        "a.waited",
        options=(
            *("--retries", "0", "--default-resources", "gpu_model=fake", "mem_mb=600"),
            *("--set-resources", "granted_by_gres:gpus_as_gres=1", "spread_by_gres:gpus_as_gres=1"),
            "granted_by_task:tasks_per_gpu=1",
        ),
        seconds=1,
    )
    assert run.wait(180) == 0, run.said()
    found = asked(lab)
    assert found.keys() == WAYS.keys()
    for rule, (wanted, never, gpus) in WAYS.items():
        line, granted = found[rule]
        assert wanted in line, rule
        assert not [option for option in never if option in line], rule
        assert (f"gres/gpu:fake={gpus}" in granted) if gpus else "gpu" not in granted, rule
    for target in targets:
        seen = [line.split() for line in lab.read(f"a.{target}").splitlines()]
        assert {words[-1] for words in seen} <= {"0", "1"}, "a GPU's number"
        if target.startswith("spread"):
            assert sorted(words[0] for words in seen) == ["node1", "node2"]
