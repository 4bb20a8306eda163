"""GPUs that a job holds and does not find end it before anything is loaded."""

import pytest
import torch
import train
from training_material import description, hub_student, work
from valley.core.study import Study, StudyError
from valley.lm import devices
from valley.lm.engines import with_transformers
from valley.workflow.job import Job
from workspace import Workspace

here = torch.cuda.device_count() if torch.cuda.is_available() else 0
LOADED = {"precision": "fp32", "temperature": 0, "top_p": 1, "stop": [], "batch_size": 2}


@pytest.fixture(autouse=True)
def no_rehearsal(monkeypatch):
    monkeypatch.delenv(devices.REHEARSAL, raising=False)


def test_what_was_asked_and_found_is_told_with_what_to_do():
    devices.require(here)
    with pytest.raises(RuntimeError) as error:
        devices.require(here + 7)
    said = str(error.value)
    for part in (f"asked for {here + 7} GPUs", f"finds {here} ", torch.__version__, "driver"):
        assert part in said
    assert "`gpus` in the study file" in said and "\n" not in said


def test_a_training_ends_before_its_weights_are_looked_for(tmp_path):
    job = description(tmp_path, hub_student(tmp_path))
    for weights in (tmp_path / "hub").iterdir():
        weights.unlink()
    with pytest.raises(RuntimeError, match=f"asked for {here + 1} GPU"):
        work({**job, "gpus": here + 1})
    what = train.Training.of({**job, "gpus": here + 2, "how": {"processes": 1}})
    with pytest.raises(RuntimeError, match=f"asked for {here + 2} GPUs here and finds {here}"):
        train.run_processes(what, Job(gpus=here + 2, state=tmp_path))
    assert not (tmp_path / "job.json").exists(), "no process was started"


def test_a_rehearsal_says_so_itself(tmp_path, monkeypatch):
    monkeypatch.setenv(devices.REHEARSAL, "1")
    job = description(tmp_path, hub_student(tmp_path), epochs=1)
    assert work({**job, "gpus": here + 8})["processes"] == 1


@pytest.mark.skipif(here > 0, reason="there is a GPU")
def test_answers_of_transformers_want_their_gpu(tmp_path):
    with pytest.raises(RuntimeError, match="asked for 1 GPU here and finds 0"):
        with_transformers.Engine(tmp_path / "none.json", gpus=1, **LOADED)


def test_transformers_holds_no_gpu_that_it_does_not_use(tmp_path):
    with pytest.raises(RuntimeError, match="holds 8 GPUs, and engine: transformers uses one"):
        with_transformers.Engine(tmp_path / "none.json", gpus=8, **LOADED)
    config = Workspace.smoke()
    config["resources"] = {"generate": {"gpus": 8}}
    Study(config)  # an engine on each
    config["sampling"]["tensor_parallel"] = 2
    with pytest.raises(StudyError, match=r"tensor_parallel: engine transformers uses one GPU"):
        Study(config)
    del config["resources"], config["sampling"]["tensor_parallel"]
    model = {"id": "a/b", "engine": "transformers", "gpus": 2}
    config["corpus"]["teachers"]["local"] = {"model": model}
    with pytest.raises(StudyError, match=r"teachers\.local\.model\.gpus: engine transformers"):
        Study(config)
    model["gpus"] = 1
    Study(config)


def test_kernels_are_those_that_this_process_computes_with():
    told = devices.kernels()
    assert told["vectors"] == torch.backends.cpu.get_cpu_capability()
    assert told["threads"] == torch.get_num_threads()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with torch.backends.mkldnn.flags(enabled=False):
            other = devices.kernels()
    finally:
        torch.set_num_threads(threads)
    assert other == {**told, "onednn": False, "threads": threads + 1}


def test_trainings_and_answers_note_their_kernels(tmp_path):
    made = work(description(tmp_path, hub_student(tmp_path), epochs=1))
    assert made["kernels"] == devices.kernels()
