"""Answers are kept as they come: only what is missing is sampled, and a rerun changes nothing."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from generate import answer, benchmark_questions, write
from lm_material import tiny
from valley.core.files import GENERATION, PROBLEM, file_digest, read_parquet, write_parquet
from valley.core.resume import Stopped
from valley.core.sampling import Sampling
from valley.lm import devices, students
from valley.lm.answer_cache import cache_of_checkpoint
from valley.lm.engines import with_transformers
from valley.lm.requests import Request

CHOSEN = Sampling(
    samples=2, temperature=0.8, top_p=1.0, max_tokens=12, batch_size=4, group=4, chunk=4
)
DETERMINING = {"engine": "transformers", "max_tokens": 12, "precision": "fp32", "stop": []}
DETERMINING |= {"temperature": 0.8, "top_p": 1.0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    model, tokenizer = tiny(seed=5)
    manifest = tmp_path_factory.mktemp("student") / "checkpoint.json"
    students.save(model, tokenizer, manifest)
    return manifest


class Benchmark:
    """A benchmark, a store and a checkpoint; `run` does what the rule's job does."""

    def __init__(self, folder, checkpoint):
        self.folder, self.checkpoint, self.store = folder, checkpoint, folder / "store"

    def benchmark(self, name, numbers):
        path = self.folder / f"{name}.parquet"
        problem = dict.fromkeys(PROBLEM.names)
        rows = [{**problem, "id": f"p{n}", "statement": f"Add {n}. " * (n % 3)} for n in numbers]
        write_parquet(path, rows, PROBLEM)
        return path

    def cache(self, **settings):
        return cache_of_checkpoint(
            self.checkpoint, self.store, {"seed": 0, **DETERMINING, **settings}
        )

    def run(self, benchmark, samples=2, store=None, **speed):
        cache = cache_of_checkpoint(
            self.checkpoint, store or self.store, {"seed": 0, **DETERMINING}
        )
        how = replace(CHOSEN, samples=samples, **speed)
        questions = benchmark_questions(benchmark, how)
        measured = answer(self.checkpoint, [questions], cache, how)
        out = benchmark.with_suffix(".generations.parquet")
        write(questions, cache, out)
        return measured, out.read_bytes()

    def segments(self):
        return sorted(self.cache().folder.glob("*.parquet"))


@pytest.fixture
def sampling(tmp_path, checkpoint):
    return Benchmark(tmp_path, checkpoint)


def test_a_finished_benchmark_is_not_sampled_again(sampling):
    benchmark = sampling.benchmark("eight", range(8))
    first, content = sampling.run(benchmark)
    assert (first["answers"], first["sampled"], first["reused"]) == (16, 16, 0)
    before = {path: path.stat().st_mtime_ns for path in sampling.segments()}
    assert len(before) == 4
    assert sampling.run(benchmark) == ({"answers": 16, "reused": 16, "sampled": 0}, content)
    assert {path: path.stat().st_mtime_ns for path in sampling.segments()} == before


def test_added_samples_and_problems_cost_no_more_than_themselves(sampling):
    measured, _ = sampling.run(sampling.benchmark("six", range(6)))
    assert measured["sampled"] == 12
    measured, _ = sampling.run(sampling.benchmark("six", range(6)), samples=3)
    assert (measured["sampled"], measured["reused"]) == (6, 12)
    measured, _ = sampling.run(sampling.benchmark("nine", range(3, 9)), samples=3)
    assert (measured["sampled"], measured["reused"]) == (9, 9)


def test_answers_reused_are_those_that_a_cold_run_gives(sampling, tmp_path):
    benchmark = sampling.benchmark("eight", range(8))
    sampling.run(benchmark, samples=1)
    _, grown = sampling.run(benchmark, samples=3)
    _, cold = sampling.run(benchmark, samples=3, store=tmp_path / "cold")
    assert grown == cold


def test_other_settings_have_a_book_of_their_own_and_other_speeds_have_not(sampling):
    benchmark = sampling.benchmark("four", range(4))
    sampling.run(benchmark)
    assert sampling.run(benchmark, batch_size=1, chunk=100)[0]["sampled"] == 0
    books = {sampling.cache(engine_code=code).folder for code in ("one", "two")}
    assert len(books | {sampling.cache().folder}) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_job_goes_on_and_repeats_no_batch(sampling, tmp_path, monkeypatch, number):
    benchmark = sampling.benchmark("eight", range(8))
    _, undisturbed = sampling.run(benchmark, store=tmp_path / "undisturbed")

    class Disturbed(with_transformers.Engine):
        def answers(self, requests, stopping):
            for batch, finished in enumerate(super().answers(requests, stopping)):
                yield finished
                if batch == 1:
                    os.kill(os.getpid(), number)

    with monkeypatch.context() as patched:
        patched.setattr(with_transformers, "Engine", Disturbed)
        with pytest.raises(Stopped):
            sampling.run(benchmark)
    done = {path: path.stat().st_mtime_ns for path in sampling.segments()}
    assert len(done) == 2
    measured, content = sampling.run(benchmark)
    assert (measured["sampled"], measured["reused"]) == (8, 8)
    assert content == undisturbed
    assert done.items() <= {path: path.stat().st_mtime_ns for path in sampling.segments()}.items()


def test_a_job_that_is_stopped_within_a_group_comes_back_to_the_same_bytes(
    sampling, tmp_path, monkeypatch
):
    benchmark = sampling.benchmark("twelve", range(12))
    speed = {"samples": 4, "group": 12, "chunk": 12}
    _, undisturbed = sampling.run(benchmark, store=tmp_path / "undisturbed", **speed)

    class Disturbed(with_transformers.Engine):
        def answers(self, requests, stopping):
            done, later = [], []

            def stop():  # some tokens into the second group
                later.extend(done)
                return len(later) > 5

            for finished in super().answers(requests, stop):
                yield finished
                done.append(finished)

    with monkeypatch.context() as patched:
        patched.setattr(with_transformers, "Engine", Disturbed)
        with pytest.raises(Stopped):
            sampling.run(benchmark, **speed)
    measured, content = sampling.run(benchmark, **speed)
    assert (measured["sampled"], measured["reused"]) == (36, 12)
    assert content == undisturbed


def test_what_was_answered_is_kept_when_the_engine_fails(sampling, monkeypatch):
    class Failing(with_transformers.Engine):
        def answers(self, requests, stopping):
            yield next(super().answers(requests, stopping))
            raise RuntimeError("the device fell off")

    benchmark = sampling.benchmark("eight", range(8))
    with monkeypatch.context() as patched:
        patched.setattr(with_transformers, "Engine", Failing)
        with pytest.raises(RuntimeError, match="fell off"):
            sampling.run(benchmark, chunk=100)
    assert sampling.run(benchmark)[0]["reused"] == 4


def test_damaged_segments_are_left_out_and_their_answers_sampled_again(sampling, capsys):
    benchmark = sampling.benchmark("eight", range(8))
    _, content = sampling.run(benchmark)
    torn, flipped, emptied, whole = sampling.segments()
    torn.write_bytes(torn.read_bytes()[:-20])
    altered = bytearray(flipped.read_bytes())
    altered[40] ^= 1
    flipped.write_bytes(altered)
    emptied.write_bytes(b"")
    foreign = whole.with_name("foreign.parquet")
    write_parquet(foreign, [], GENERATION)
    foreign.rename(whole.with_name(f"{file_digest(foreign)}.parquet"))
    measured, again = sampling.run(benchmark)
    assert (measured["sampled"], measured["reused"]) == (12, 4)
    assert again == content
    assert capsys.readouterr().out.count("left out, its answers are sampled again") == 4
    assert sampling.run(benchmark)[0]["sampled"] == 0, "the same batches mend the segments"


def test_two_jobs_that_write_the_same_answers_write_the_same_file(sampling):
    benchmark = sampling.benchmark("four", range(4))
    questions = benchmark_questions(benchmark, CHOSEN)
    one, other = sampling.cache(), sampling.cache()
    assert one.known(q.key for q in questions) == other.known(q.key for q in questions) == {}
    rows = [
        dict(
            zip(("prompt", "problem_id", "sample"), q.key, strict=True),
            text="x",
            finish_reason="stop",
            tokens=1,
            seed=q.seed,
        )
        for q in questions
    ]
    one.write(rows)
    other.write(rows[::-1])
    assert len(sampling.segments()) == 1


def test_a_book_says_what_its_answers_came_from(sampling):
    sampling.run(sampling.benchmark("four", range(4)))
    about = json.loads((sampling.cache().folder / "about.json").read_text())
    files = json.loads(sampling.checkpoint.read_text())["files"]
    assert (
        about["checkpoint"]["files"]["model.safetensors"] == (files["model.safetensors"]["sha256"])
    )
    assert about["temperature"] == 0.8


def test_a_full_context_window_ends_answers_and_is_told(sampling, capsys):
    """The model has 256 positions: one prompt leaves little room, another none at all."""
    path = sampling.folder / "long.parquet"
    problem = dict.fromkeys(PROBLEM.names)
    tokenizer = students.load_tokenizer(sampling.checkpoint.parent / students.FOLDER)
    number = 250 // len(tokenizer("Add 7. Sum. ")["input_ids"])
    texts = {"fits": "Add 7.", "tight": "Add 7. Sum. " * number, "none": "Add 7. Sum. " * 200}
    rows = [{**problem, "id": name, "statement": text} for name, text in texts.items()]
    write_parquet(path, rows, PROBLEM)
    sampling.run(path, samples=1)
    found = {
        row["problem_id"]: row for row in read_parquet(path.with_suffix(".generations.parquet"))
    }
    assert found["none"]["tokens"] == 0
    assert 0 < found["tight"]["tokens"] < 12
    assert {found[name]["finish_reason"] for name in ("none", "tight")} == {"length"}
    assert "2 of 3 answers have less room than 12 tokens (the least: 0)" in capsys.readouterr().out


def test_what_the_chat_template_opens_belongs_to_the_answer(sampling, tmp_path):
    """An answer that the limit cuts inside such reasoning is seen to be cut there."""
    path = sampling.benchmark("few", [1])
    plain = sampling.run(path, samples=1) and read_parquet(path.with_suffix(".generations.parquet"))
    assert not plain[0]["text"].startswith("<think>")
    model, tokenizer = tiny(seed=5)
    end = "{% if add_generation_prompt %}<think>\n{% endif %}"
    tokenizer.chat_template = f"{tokenizer.chat_template}{end}"
    opening = tmp_path / "opening" / "checkpoint.json"
    students.save(model, tokenizer, opening)
    other = Benchmark(tmp_path, opening)
    other.run(path, samples=1)
    found = read_parquet(path.with_suffix(".generations.parquet"))
    assert found[0]["text"].startswith("<think>\n") and found[0]["tokens"] == 12


def test_a_stop_must_be_one_token(sampling):
    benchmark = sampling.benchmark("one", range(1))
    how = replace(CHOSEN, samples=1, stop=["two words"])
    questions = benchmark_questions(benchmark, how)
    with pytest.raises(ValueError, match=r"'two words' is \d+ tokens in this student's"):
        answer(sampling.checkpoint, [questions], sampling.cache(), how)


@pytest.mark.parametrize("able", [True, False])
def test_bf16_weights_are_the_same_whatever_multiplies_them(checkpoint, monkeypatch, able):
    monkeypatch.setattr(devices, "multiplies_bf16", lambda: able)
    engine = with_transformers.Engine(
        checkpoint, precision="bf16", temperature=0, top_p=1.0, stop=[], batch_size=2
    )
    exact = students.load(checkpoint)[0].state_dict()
    held = engine._model.state_dict()
    on_cores = engine.measured["device"] == "cpu"
    kind = torch.float32 if on_cores and not able else torch.bfloat16
    assert {weights.dtype for weights in held.values()} == {kind}
    assert all(torch.equal(held[n].float().cpu(), exact[n].bfloat16().float()) for n in exact)
    asked = [Request(engine.encode("Add 1."), 0, 4)]
    assert [len(found) for found in engine.answers(asked, lambda: False)] == [1]
