"""What jobs are expected to cost: arithmetic that a reader can redo on paper."""

import subprocess
import sys
from pathlib import Path

import pytest
from valley.core.parts import undivided
from valley.core.study import Study, StudyError
from valley.lm.flops import Shape
from valley.planning import estimates
from valley.planning.estimates import EstimateError, estimate
from workspace import Workspace


def study(**changes) -> dict:
    return Study({**Workspace.smoke(), **changes}).config


def large(**assumed) -> dict:
    """A study of the paper's size: a 7B student from the hub."""
    config = Workspace.smoke()
    recipe = {"learning_rate": 8e-5, "batch_examples": 128, "epochs": 5, "precision": "bf16"}
    config["students"] = {"qwen": {"hub": {"id": "Qwen/Qwen2.5-7B-Instruct"}}}
    config["recipes"] = {name: recipe for name in config["recipes"]}
    config["sampling"] = {"samples": 4, "max_tokens": 32768}
    return Study({**config, "estimates": assumed}).config


def train(config, size=30000):
    return estimate(
        config, "train", {"student": "qwen", "recipe": "distil", "size": size, "seed": 0}
    )


def test_training_is_six_flops_a_parameter_and_token():
    made = train(large(trace_tokens=8000))
    assert made.amount == pytest.approx(6 * 7.616e9 * 30000 * 5 * 8000)
    assert made.gpu_seconds == pytest.approx(made.amount / (989e12 * 0.35))
    assert 30 < made.gpu_seconds / 3600 < 60, "GPU-hours of a 7B model on 30,000 long traces"
    assert made.core_seconds == 0


def test_training_time_divides_among_gpus_and_starting_up_does_not():
    made = train(large())
    assert made.wall_seconds(gpus=8) == pytest.approx(4 + made.gpu_seconds / 8)


def test_a_checkpoint_is_15_gb_and_its_resume_state_90():
    made = train(large())
    assert made.disk_bytes == pytest.approx(15.2e9, rel=0.01)
    assert made.resume_bytes == pytest.approx(91.4e9, rel=0.01)


def test_assumptions_stand_in_the_study_file():
    half = train(large(training_utilisation=0.175))
    assert half.gpu_seconds == pytest.approx(2 * train(large()).gpu_seconds)
    assert train(large(parameters={"qwen": 1e9})).amount == pytest.approx(
        train(large()).amount / 7.616
    )


def test_answers_are_two_flops_a_parameter_and_token():
    config = large(answer_tokens=10000)
    made = estimate(config, "generate", {"checkpoint": "qwen/base", "benchmark": "bank"})
    assert made.amount == pytest.approx(2 * 7.616e9 * 24 * 4 * 10000)
    assert made.gpu_seconds > 0


def test_answers_are_never_longer_than_the_limit():
    limit = large(answer_tokens=32768)
    beyond = large(answer_tokens=99999)
    where = {"checkpoint": "qwen/base", "benchmark": "bank"}
    assert estimate(limit, "generate", where) == estimate(beyond, "generate", where)


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ({"format": "livecodebench", "release": "v5"}, 880),
        ({"format": "humaneval"}, 164),
        ({"format": "humaneval", "count": 3}, 3),
        ({"format": "livecodebench", "release": "v5", "from": "2024-08-01"}, 700),
        ({"format": "problems", "hub": "some/problems"}, 700),
    ],
)
def test_a_benchmark_has_as_many_problems_as_declared_or_published_else_as_assumed(
    source, problems
):
    benchmarks = {"bank": {"source": {**source, "revision": "abc"}}}
    config = study(benchmarks=benchmarks, estimates={"problems": 700})
    assert estimates.problems_of(config, "bank") == problems


def test_a_student_made_here_costs_cores_and_a_fixed_number_of_updates_is_counted_as_such():
    config = study()
    by_steps = estimate(config, "train", {"student": "tiny", "recipe": "matched", "size": 16})
    assert by_steps.gpu_seconds == 0
    assert by_steps.core_seconds > 0
    assert "192 traces" in by_steps.said  # 12 updates of 16


def test_the_shape_of_a_student_tells_its_parameters():
    pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"vocabulary": 600, "hidden": 32, "layers": 2, "heads": 2}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=600,
            hidden_size=32,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
    )
    assert Shape.scratch(**shape).parameters == model.num_parameters()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 7.616e9),
        ("Qwen/Qwen2.5-Coder-7B", 7e9),
        ("meta-llama/Llama-3.1-8B-Instruct", 8.03e9),
        ("HuggingFaceTB/SmolLM2-135M", 135e6),
        ("some/v2.5-1.7b-chat", 1.7e9),
        ("some/model", None),
    ],
)
def test_names_tell_parameters(name, count):
    assert estimates.named_parameters(name) == count


def test_a_student_whose_size_nothing_tells_is_asked_for():
    config = large()
    config["students"]["qwen"]["hub"]["id"] = "models/mine"
    with pytest.raises(EstimateError, match=r"estimates: \{parameters: \{qwen:"):
        train(config)


def test_a_wrong_student_among_the_parameters_is_a_mistake():
    with pytest.raises(StudyError, match=r"estimates.parameters.tony: there is no student"):
        study(estimates={"parameters": {"tony": 1e6}})


def test_every_rule_has_an_estimate_and_unknown_ones_are_small():
    config = study()
    assert estimate(config, "curve", {}).wall_seconds() == config["estimates"]["job_seconds"]
    assert estimate(config, "judge", {"checkpoint": "tiny/base", "benchmark": "bank"}).amount == 48
    assert estimate(config, "labels", {}).amount == 200
    assert estimate(config, "shard", {"size": "16"}).disk_bytes > 0


def test_assumptions_are_no_part_of_what_the_report_is_made_of():
    config = Workspace.smoke()
    edited = {**config, "estimates": {"gpu_tflops": 312}}
    assert Study(config).described == Study(edited).described


def test_estimates_import_nothing_heavy():
    heavy = "{'torch', 'snakemake', 'numpy', 'pandas'}"
    script = (
        f"import sys; import valley.planning.estimates; print(sorted({heavy} & set(sys.modules)))"
    )
    folder = Path(estimates.__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_benchmarks_own_sampling_is_what_its_answers_cost():
    config = Workspace.smoke()
    bank = config["benchmarks"]["bank"]["bank"]
    own = {"max_tokens": 640, "samples": 1}
    config["benchmarks"]["long"] = {"bank": bank, "sampling": own}

    def flops(config, benchmark):
        return estimate(
            config, "generate", {"checkpoint": "tiny/base", "benchmark": benchmark}
        ).amount

    made = Study(config).config
    assert flops(made, "long") == pytest.approx(5 * flops(made, "bank"))  # ten times, half as many
    judged = [
        estimate(made, "judge", {"checkpoint": "x", "benchmark": name}) for name in ("bank", "long")
    ]
    assert [one.amount for one in judged] == [48, 24]
    config["sampling"]["engine"] = "vllm"
    together = Study(config).config
    apart = [
        estimate(together, "answer", {"checkpoint": "tiny/base", "way": w}) for w in ("", "-long")
    ]
    assert [one.amount for one in apart] == [flops(made, "bank"), flops(made, "long")]
    config["sampling"] |= {"engine": "transformers", "jobs": 3}
    part = {"checkpoint": "tiny/base", "way": "-long", "part": ".2-of-3"}
    share = estimate(Study(config).config, "answer", part)
    assert share.amount == pytest.approx(flops(made, "long") / 3)


def test_a_part_of_the_answers_takes_its_share_of_the_time():
    def asked(rule, jobs, **wildcards):
        config = large()
        config["sampling"]["jobs"] = jobs
        return estimate(config, rule, {"checkpoint": "qwen/base", **wildcards}).gpu_seconds

    alone = asked("generate", 1, benchmark="bank")
    assert asked("answer", 4, part=".3-of-4") == pytest.approx(alone / 4)
    assert asked("answer", 4) == pytest.approx(alone)
    assert asked("generate", 4, benchmark="bank") == 0, "cut out of the book"


def test_a_part_of_the_programs_takes_its_share_of_the_time():
    def asked(rule, jobs, **wildcards):
        return estimate(study(judge={"jobs": jobs}), rule, wildcards)

    where = {"checkpoint": "tiny/base", "benchmark": "bank"}
    for rule, wildcards in (("judge", where), ("labels", {})):
        alone = asked(rule, 1, **wildcards)
        part = asked(f"{rule}_part", 4, **wildcards, part=".3-of-4")
        assert part.amount == alone.amount / 4
        assert part.core_seconds == pytest.approx(alone.core_seconds / 4)
        reading = asked(rule, 4, **wildcards)
        assert (reading.amount, reading.core_seconds) == (0, 0), "verdicts are in the store"
        assert reading.disk_bytes == alone.disk_bytes


def test_how_many_jobs_judge_is_no_part_of_what_the_report_is_made_of():
    config = Workspace.smoke()
    edited = {**config, "judge": {"jobs": 7}}
    one, many = (undivided(Study(each).described) for each in (config, edited))
    assert one == many and one["judge"]["isolation"] == "auto"
