"""What partitions offer, read from SLURM's words, and requests held against it."""

from dataclasses import replace

import pytest
from test_cluster import ARM, study
from valley.cluster import demands, offers
from valley.cluster.offers import Demand, Nodes, Partition, misfit
from valley.cluster.requests import Request, Room, group_bounds, request, side_by_side
from valley.core.study import Study, StudyError

SINFO = """\
cpu|cpu*|1-00:00:00|1-infinite|100|64|256000|(null)
cpu|cpu*|1-00:00:00|1-infinite|4|192|1500000+|(null)
gpu|gpu|4:00:00|1-4|2|32|512000|gpu:a100:2(S:0-1),gpu:h100:4(S:0,1),shard:8
free|free|infinite|1-infinite|1|2|4000|gpu:8
"""
ALLOWED = """\
PartitionName=cpu MaxCPUsPerNode=UNLIMITED MaxMemPerNode=UNLIMITED MaxNodes=UNLIMITED
PartitionName=gpu MaxCPUsPerNode=24 MaxMemPerNode=400000 MaxNodes=4
"""
FOUND = offers.read(SINFO, ALLOWED)
JUDGED = {"checkpoint": "big/base", "benchmark": "bank"}


def test_partitions_are_read_with_what_they_allow_of_a_node():
    assert FOUND["cpu"] == Partition(
        "cpu", True, 1440, None, (Nodes(100, 64, 256000), Nodes(4, 192, 1500000))
    )
    assert FOUND["gpu"].nodes == (Nodes(2, 24, 400000, (("a100", 2), ("h100", 4))),)
    assert (FOUND["gpu"].minutes, FOUND["gpu"].most_nodes) == (240, 4)
    assert (FOUND["free"].minutes, FOUND["free"].nodes[0].gpus) == (None, (("", 8),))
    assert offers.partition_of(FOUND, None).name == "cpu"
    assert offers.partition_of(FOUND, "gpu,cpu").name == "gpu"
    assert offers.room(FOUND["cpu"]) == Room(64, 256000)
    assert str(FOUND["gpu"]) == (
        "gpu: 2 nodes of 24 cores, 400000 MB, 2 GPUs (a100), 4 GPUs (h100); up to 240 minutes"
    )


SMALL = Request(gpus=0, nodes=1, cpus=1, mem_mb=2000, runtime=10)


@pytest.mark.parametrize(
    ("asked", "partition", "model", "told"),
    [
        ({}, None, None, None),
        ({"cpus": 192, "mem_mb": 10**6}, "cpu", None, None),
        ({"cpus": 193}, "cpu", None, "193 cores are wanted of one node"),
        ({"mem_mb": 1600000}, "cpu", None, "1600000 MB are wanted of one node"),
        ({"gpus": 6}, "gpu", None, None),
        ({"gpus": 4}, "gpu", "h100", None),
        ({"gpus": 8}, "gpu", "h100", "8 h100 GPUs are wanted of one node"),
        ({"gpus": 8, "nodes": 2}, "gpu", "h100", None),
        ({"gpus": 1}, "cpu", None, "1 GPU is wanted of one node"),
        ({"gpus": 8}, "free", None, None),
        ({"gpus": 1}, "free", "a100", "1 a100 GPU is wanted of one node"),
        ({"nodes": 3}, "gpu", None, "one job gets 2 nodes at most"),
        ({"cpus": 100, "nodes": 5}, "cpu", None, "one job gets 4 nodes at most"),
        ({"runtime": 380}, "gpu", None, "put `resources: {longest: 240}` in the study file"),
        ({"runtime": 10**6}, "free", None, None),
        ({}, "gpus", None, "there is no partition 'gpus'; choose: cpu, free, gpu"),
    ],
)
def test_a_request_that_fits_nowhere_says_what_is_there(asked, partition, model, told):
    said = misfit(Demand(replace(SMALL, **asked), partition, model), FOUND)
    assert (said is None) == (told is None)
    if told:
        assert told in said
        assert partition not in FOUND or str(FOUND[partition]) in said


def test_rules_that_ask_for_the_same_are_named_together():
    asked = Demand(replace(SMALL, cpus=200))
    (said,) = offers.misfits([("pool", asked), ("score", asked), ("train", Demand(SMALL))], FOUND)
    assert said.startswith("pool, score: asked 200 cores, 2000 MB, 10 minutes; partition cpu: ")


@pytest.mark.parametrize("cores", [2, 8, 64, 192])
def test_what_follows_from_estimates_fits_nodes_of_any_size(cores):
    room = Room(cores, 16000 * cores)
    config = study(estimates={"program_seconds": 20}, sampling={"samples": 2})
    judged = request(config, "judge", JUDGED, room=room)
    assert judged.cpus == min(16, cores)
    assert request(config, "train", {**ARM, "size": 10}, room=room).cpus == min(8, cores)
    bounds = group_bounds([judged], 16, room)
    assert bounds.cpus == min(16, cores)
    assert bounds.mem_mb == room.mem_mb
    own = study(resources={"judge": {"cpus": 32}})
    asked = request(own, "judge", JUDGED, room=room)
    assert asked.cpus == 32, "what the study file says is not cut"
    assert group_bounds([asked], 16, room).cpus == 32


def test_memory_that_grows_on_retries_ends_where_the_node_does():
    config = study()
    asked = [
        request(config, "judge", JUDGED, attempt, room=Room(8, 5000)).mem_mb
        for attempt in (1, 2, 3, 4)
    ]
    assert asked == [2000, 4000, 5000, 5000]


def test_as_many_jobs_share_a_group_as_end_in_time():
    judged = [Request(gpus=0, nodes=1, cpus=4, mem_mb=2000, runtime=70)]
    sixteen = Room(16, 64000)
    assert side_by_side(judged, sixteen, 240, 10, 20) == 12, "three times four at once"
    assert side_by_side(judged, Room(16, 4000), 240, 10, 20) == 6, "memory for two at once"
    assert side_by_side(judged, sixteen, 1440, 10, 20) == 20
    assert side_by_side(judged, sixteen, 30, 10, 20) == 1
    assert side_by_side([], sixteen, 30, 10, 20) == 20


def vllm(**resources) -> Study:
    config = study()
    config["sampling"]["engine"] = "vllm"
    return Study({**config, "resources": resources})


def test_what_samples_is_asked_for_by_its_rules_name():
    named, old = vllm(answer={"gpus": 2, "cpus": 3}), vllm(generate={"gpus": 2, "cpus": 3})
    for one in (named, old):
        asked = request(one.config, "answer", {"checkpoint": "big/base"})
        assert (asked.gpus, asked.cpus) == (2, 3)
        assert request(one.config, "generate", JUDGED).gpus == 0
    assert named.notes == []
    (note,) = old.notes
    assert "Rename it to resources.answer" in note


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"answer": {"gpus": 1}}, r"resources.answer: with engine transformers .* put this under"),
        ({"judge": {"gpus": 1}}, r"resources.judge.gpus: judge runs on CPU cores"),
        ({"generate": {"nodes": 2}}, r"resources.generate.nodes: only train spans several nodes"),
    ],
)
def test_requests_that_nothing_uses_are_mistakes(resources, told):
    with pytest.raises(StudyError, match=told):
        study(resources=resources)


def test_every_rules_request_is_known_with_what_a_profile_says_of_it():
    whole = Study(study(resources={"train": {"gpus": 8}}))
    asked = {"slurm_partition": "gpu", "mem_mb": "2000", "runtime": "10", "train:gpu_model": "h100"}
    asked |= {"judge:mem_mb": "900000"}
    assert demands.rules_of(whole) == [
        *("train", "generate", "student", "judge", "labels", "score")
    ]
    wrong = {
        rule: [misfit(one, FOUND) for one in demands.largest(whole, rule, asked, FOUND)]
        for rule in demands.rules_of(whole)
    }
    assert "8 h100 GPUs are wanted of one node" in wrong["train"][0]
    assert any("900000 MB are wanted" in said for said in filter(None, wrong["judge"]))
    assert wrong["score"] == [None]


def test_parts_of_programs_are_jobs_whose_requests_are_known():
    whole = Study(study(judge={"jobs": 3}))
    assert demands.rules_of(whole) == [
        *("train", "generate", "student", "judge_part", "judge", "labels_part", "labels", "score")
    ]
    named = [".1-of-3", ".2-of-3", ".3-of-3"]
    assert [one["part"] for one in demands.wildcards_of(whole, "labels_part")] == named
    judged = demands.wildcards_of(whole, "judge_part")
    assert len(judged) == 3 * len(demands.wildcards_of(whole, "judge"))
    assert {one["part"] for one in judged} == {*named}
    assert demands.largest(whole, "judge_part", {}, {})


def test_a_teachers_parts_hold_its_gpus_and_who_cuts_the_traces_none():
    def asked(rule, **teacher):
        described = {"model": {"id": "x/Some-7B", "revision": "0" * 40, "gpus": 4}, **teacher}
        config = study(corpus={**study()["corpus"], "teachers": {"own": described}})
        whole = Study(config)
        assert rule in demands.rules_of(whole)
        return [one.request.gpus for _, one in demands.each(whole, rule, {}, {})]

    assert asked("ask_model") == [4]
    assert asked("ask_model_part", jobs=3) == [4, 4, 4]
    assert asked("ask_model", jobs=3) == [0], "it finds all answers"
    assert asked("ask_model", jobs=3, unanswered="skip") == [4], "it asks once more"


def test_each_way_of_sampling_is_a_job_of_its_own_with_vllm():
    """Also where no benchmark is sampled in the study's own way."""
    config = vllm().config
    assert {job["way"] for job in demands.wildcards_of(Study(config), "answer")} == {""}
    config["benchmarks"]["bank"]["sampling"] = {"max_tokens": 17}
    whole = Study(config)
    assert {job["way"] for job in demands.wildcards_of(whole, "answer")} == {"-bank"}
    assert demands.largest(whole, "answer", {}, {})
