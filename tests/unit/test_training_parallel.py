"""Several processes: the command that starts them, and that they learn what one would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import train
from training_material import description, hub_student, made, work
from valley.core.files import write_json
from valley.lm import launch
from valley.lm.launch import Layout

SLURM = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "gpu[03-04]", "SLURM_JOB_NUM_NODES": "2"}


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n1", "n1"),
        ("n1,n2", "n1"),
        ("gpu[03-04,09]", "gpu03"),
        ("gpu[7]", "gpu7"),
        ("a[1-2]b,c", "a1b"),
        ("rack2-gpu[11,13]", "rack2-gpu11"),
    ],
)
def test_the_first_host_of_a_node_list(nodes, first):
    assert launch.first_host(nodes) == first


def test_one_machine_needs_no_scheduler():
    command = launch.command("job.json", Layout(1, 8), {}, "worker", python="python")
    assert command[:3] == ["sh", "-c", 'trap "" TERM USR1; exec "$@"']
    assert command[4:7] == ["python", "-m", "torch.distributed.run"]
    assert "--standalone" in command and "srun" not in command
    assert command[command.index("--nproc-per-node") + 1] == "8"
    assert command[-4:] == [str(launch.SCRIPT), "worker", "--job", "job.json"]


def test_several_nodes_meet_at_the_jobs_first_one():
    command = launch.command("job.json", Layout(2, 8), SLURM, "worker")
    assert command[0] == "srun"
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--overlap"} <= set(command)
    assert "--nnodes=2" in command
    assert "--rdzv-endpoint=gpu03:24711" in command
    assert "--rdzv-id=4711" in command


def test_several_nodes_without_a_job_that_has_them_is_an_error():
    with pytest.raises(RuntimeError, match="needs 2 nodes, but this job has 1"):
        launch.command("job.json", Layout(2, 8), {}, "worker")
    with pytest.raises(RuntimeError, match="needs 4 nodes, but this job has 2"):
        launch.command("job.json", Layout(4, 8), SLURM, "worker")


def test_the_outer_steps_variables_are_left_behind():
    outer = {**SLURM, "SLURM_NTASKS": "1", "SLURM_CPU_BIND": "quiet", "SLURM_STEP_ID": "0"}
    outer |= {"SLURM_PROCID": "0", "SLURM_NNODES": "1", "SLURM_MEM_PER_NODE": "9", "PATH": "/bin"}
    left = launch.environment(outer, threads=3)
    assert left == {**SLURM, "PATH": "/bin", "OMP_NUM_THREADS": "3", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("resources", "layout"),
    [((0, 1, 1), Layout(1, 1)), ((0, 1, 2), Layout(1, 2)), ((16, 2, 1), Layout(2, 8))],
)
def test_layout_from_a_rules_resources(resources, layout):
    assert launch.layout(*resources) == layout


def test_gpus_that_do_not_divide_among_nodes_are_an_error():
    with pytest.raises(ValueError, match="9 gpus can't be divided evenly among 2 nodes"):
        launch.layout(9, 2, 1)


def launched(job, processes=2):
    file = Path(job["manifest"]).parents[1] / "job.json"
    write_json(file, job)
    return launch.run(file, Layout(1, processes), 1, train.one_of_several.__name__)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


def test_two_processes_learn_what_one_does(tmp_path, start):
    """FSDP over gloo; sums are taken in another order, so losses and weights agree to rounding."""
    settings = {"micro_tokens": 128, "learning_rate": 0.002}
    one = description(tmp_path / "one", start, **settings)
    two = description(tmp_path / "two", start, **settings)
    work(one)
    assert launched(two)["processes"] == 2
    single, shared = made(one), made(two)
    for left, right in zip(single["losses"], shared["losses"], strict=True):
        assert left["step"] == right["step"]
        assert left["loss"] == pytest.approx(right["loss"], abs=2e-5)
    for left, right in zip(single["looks"], shared["looks"], strict=True):
        assert left["loss"] == pytest.approx(right["loss"], abs=2e-5)
    for name, weight in single["weights"].items():
        assert torch.allclose(weight, shared["weights"][name], atol=2e-5), name
    files = [
        sorted(p.name for p in (tmp_path / n / "made/model").iterdir()) for n in ("one", "two")
    ]
    assert files[0] == files[1]


@pytest.mark.long
def test_adapters_and_new_tokens_in_two_processes(tmp_path, start):
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear", "merge": True}
    settings = {
        "lora": lora,
        "think": "tokens",
        "learning_rate": 0.002,
        "epochs": 1,
        "precision": "fp32",
    }
    one = description(tmp_path / "one", start, **settings)
    two = description(tmp_path / "two", start, **settings)
    work(one)
    launched(two)
    single, shared = made(one), made(two)
    for name, weight in single["weights"].items():
        assert torch.allclose(weight, shared["weights"][name], atol=1e-3), name


@pytest.mark.long
def test_two_processes_stop_when_their_launcher_is_asked_and_one_goes_on(tmp_path, start):
    """State is read back by any number of processes, and the plan of batches is the same."""
    straight = description(tmp_path / "straight", start, learning_rate=0.002, epochs=10)
    work(straight)
    job = description(
        tmp_path / "stopped", start, how={"save_every": 1e-9}, learning_rate=0.002, epochs=10
    )
    file = tmp_path / "stopped" / "job.json"
    write_json(file, job)
    code = (
        "from pathlib import Path; from valley.lm import launch; "
        f"launch.run(Path({str(file)!r}), launch.Layout(1, 2), 1, "
        f"{train.one_of_several.__name__!r})"
    )
    environment = {**os.environ, "PYTHONPATH": str(launch.SCRIPT.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    saved = tmp_path / "stopped/state/position.json"
    while not saved.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75, "stopped, state saved"
    done = json.loads(saved.read_text())["done"]
    assert 0 < done < 50
    work({**job, "how": straight["how"]})
    apart = [
        abs(a["loss"] - b["loss"])
        for a, b in zip(made(job)["losses"], made(straight)["losses"], strict=True)
    ]
    assert max(apart) < 5e-3


@pytest.mark.long
def test_an_error_in_a_process_is_the_trainings(tmp_path, start, capfd):
    job = description(tmp_path, start, max_length=20)
    with pytest.raises(RuntimeError, match="a process of this training failed"):
        launched(job, processes=1)
    assert "examples are longer than 20 tokens" in capfd.readouterr().err
    assert not Path(job["manifest"]).exists()
