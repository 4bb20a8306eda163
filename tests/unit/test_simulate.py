"""How long a DAG takes on a partition."""

import pytest
from valley.planning.simulate import Task, critical_path, makespan


def task(seconds, *needs, gpus=0, cores=1, priority=0):
    return Task(seconds, gpus, cores, needs, priority)


def test_nothing_takes_no_time():
    assert makespan([], gpus=0, cores=1) == 0
    assert critical_path([]) == []


def test_on_one_core_times_add_up_and_on_many_the_longest_chain_counts():
    jobs = [task(1), task(2), task(3), task(4, 0)]
    assert makespan(jobs, gpus=0, cores=1) == 10
    assert makespan(jobs, gpus=0, cores=8) == 5
    assert critical_path(jobs) == [0, 3]


def test_gpus_are_a_resource_of_their_own():
    jobs = [task(10, gpus=1) for _ in range(4)]
    assert makespan(jobs, gpus=1, cores=64) == 40
    assert makespan(jobs, gpus=4, cores=64) == 10
    assert makespan(jobs, gpus=4, cores=2) == 20


def test_a_job_that_does_not_fit_lets_smaller_ones_pass():
    jobs = [task(10, gpus=3), task(5, gpus=2), task(5, gpus=1)]
    assert makespan(jobs, gpus=4, cores=4) == 15


def test_the_longest_chain_goes_first():
    jobs = [task(1), task(1), task(9, 0)]
    assert makespan(jobs, gpus=0, cores=1) == 11
    assert makespan(jobs, gpus=0, cores=2) == 10


def test_priority_goes_before_length():
    jobs = [task(1, priority=1), task(9), task(1)]
    assert makespan(jobs, gpus=0, cores=2) == 9


def test_a_job_of_more_cores_than_there_are_gets_them_all():
    assert makespan([task(5, cores=16), task(5)], gpus=0, cores=4) == 10


def test_a_job_of_more_gpus_than_there_are_can_never_run():
    with pytest.raises(ValueError, match="asks for 8 GPUs, and there are 4"):
        makespan([task(1, gpus=8)], gpus=4, cores=4)
