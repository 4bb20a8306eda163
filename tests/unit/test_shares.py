"""Several jobs share a checkpoint's answers: the bytes of one job, and nothing is sampled twice."""

import re
from dataclasses import replace

import pytest
from generate import answer, benchmark_questions, groups_of, write
from test_generate import CHOSEN, Benchmark
from test_generate import checkpoint as checkpoint
from valley.core.parts import PATTERN, WHOLE, Part, answer_jobs, parts, wildcards_of
from valley.core.study import Study
from valley.lm import sampler, shares
from valley.lm.engines import with_transformers
from workspace import Workspace

HOW = replace(CHOSEN, samples=3)


@pytest.fixture
def study(tmp_path, checkpoint):
    return Benchmark(tmp_path, checkpoint)


def questions(study, *numbers, how=HOW):
    """Return the answers wanted of benchmarks of so many problems each, no two the same."""
    begins = [100 * at for at in range(len(numbers))]
    ranges = [range(at, at + count) for at, count in zip(begins, numbers, strict=True)]
    return [benchmark_questions(study.benchmark(f"from{one[0]}", one), how) for one in ranges]


def run(study, asked, part, how=HOW):
    return answer(study.checkpoint, asked, study.cache(), how, part=part)


def generations(study, asked):
    found = []
    for number, one in enumerate(asked):
        out = study.folder / f"{number}.generations.parquet"
        write(one, study.cache(), out)
        found.append(out.read_bytes())
    return found


def test_parts_have_names_and_no_others():
    assert [str(part) for part in parts(1)] == [""]
    assert [str(part) for part in parts(2)] == [".1-of-2", ".2-of-2"]
    assert all(Part.named(str(part)) == part for n in (1, 2, 12) for part in parts(n))
    for wrong in (".3-of-2", ".0-of-2", "-1-of-2", ".1", "bank"):
        with pytest.raises(ValueError, match="there is no part"):
            Part.named(wrong)


def test_each_way_of_sampling_is_cut_over_the_jobs():
    config = Workspace.smoke()
    bank = config["benchmarks"]["bank"]["bank"]
    # A benchmark may have a part's name, but for the dot.
    ways = {"1-of-2": {"max_tokens": 640}, "again": {"max_tokens": 640}, "few": {"samples": 2}}
    config["benchmarks"] |= {name: {"bank": bank, "sampling": way} for name, way in ways.items()}

    def files(jobs, benchmark=None):
        config["sampling"]["jobs"] = jobs
        shared = answer_jobs(Study(config).config, benchmark)
        return [f"answers{job['way']}{job['part']}" for job in shared]

    assert files(1) == ["answers", "answers-1-of-2"]
    assert files(2) == [
        *("answers.1-of-2", "answers.2-of-2"),
        *("answers-1-of-2.1-of-2", "answers-1-of-2.2-of-2"),
    ]
    assert files(2, "again") == files(2, "1-of-2") == files(2)[2:]
    assert files(2, "few") == files(2, "bank") == files(2)[:2], "drawn as the study says"
    for name in (*files(1), *files(2)):
        found = wildcards_of(name)
        assert f"answers{found['way']}{found['part']}" == name
        assert found["way"] in ("", "-1-of-2") and re.fullmatch(PATTERN, found["part"])
    config["benchmarks"]["bank"]["sampling"] = {"max_tokens": 32}
    config["benchmarks"]["few"]["sampling"] = {"max_tokens": 32}
    assert files(1) == ["answers-bank", "answers-1-of-2"], "no benchmark is drawn as the study says"


def test_any_number_of_jobs_gives_the_bytes_of_one(study, tmp_path):
    asked, made = questions(study, 9, 5), {}
    for jobs in (1, 2, 3):
        study.store = tmp_path / f"store{jobs}"
        told = [run(study, asked, part) for part in reversed(parts(jobs))]
        assert sum(one["sampled"] for one in told) == 42
        assert jobs == 1 or all(0 < one["sampled"] < 42 for one in told), "each has its part"
        made[jobs] = generations(study, asked)
        segments = [study.segments()]
        assert [run(study, asked, part)["sampled"] for part in parts(jobs)] == [0] * jobs
        assert [study.segments()] == segments
    assert made[1] == made[2] == made[3]


def test_jobs_side_by_side_answer_the_groups_that_one_alone_composes(study, tmp_path, monkeypatch):
    """Not only the same answers: what rounding may depend on, who stands beside whom."""
    composed = {}

    def noted(model, requests, **how):
        for finished in sampler.sample(model, requests, **how):
            composed[jobs].append(
                sorted((requests[n].prompt, requests[n].seed) for n, _ in finished)
            )
            yield finished

    asked = questions(study, 9)
    for jobs in (1, 2, 3):
        composed[jobs], study.store = [], tmp_path / f"store{jobs}"
        for part in parts(jobs):
            with monkeypatch.context() as patched:
                whole = with_transformers.Engine

                class Noting(whole):
                    def answers(self, wanted, stopping):
                        yield from noted(self._model, wanted, stopping=stopping, **self._settings)

                patched.setattr(with_transformers, "Engine", Noting)
                run(study, asked, part)
    assert len(composed[1]) == 7
    assert sorted(composed[1]) == sorted(composed[2]) == sorted(composed[3])


def test_other_jobs_go_on_with_what_some_have_begun(study, tmp_path):
    """Changed half-way, the number of jobs moves no byte and no answer is sampled again."""
    asked = questions(study, 9)
    run(study, asked, WHOLE)
    undisturbed = generations(study, asked)
    study.store = tmp_path / "other"
    first = run(study, asked, Part(2, 3))["sampled"]
    second = run(study, asked, Part(1, 2))["sampled"]
    rest = run(study, asked, WHOLE)
    assert first > 0 and second > 0
    assert (rest["reused"], rest["sampled"]) == (first + second, 27 - first - second)
    assert generations(study, asked) == undisturbed


def test_added_samples_are_all_that_parts_sample(study):
    for part in parts(2):
        run(study, questions(study, 6), part)
    more = replace(HOW, samples=4)
    asked = questions(study, 6, how=more)
    told = [run(study, asked, part, more)["sampled"] for part in parts(2)]
    assert sum(told) == 6
    generations(study, asked)


def test_what_is_lost_after_it_was_dealt_has_an_owner(study, capsys):
    asked = questions(study, 9)
    for part in parts(2):
        run(study, asked, part)
    content = generations(study, asked)
    for lost in study.segments()[::2]:
        lost.unlink()
    assert sum(run(study, asked, part)["sampled"] for part in parts(2)) > 0
    assert generations(study, asked) == content
    # Answers that were there when the others were dealt, too.
    study.store = study.folder / "later"
    run(study, [asked[0][:10]], WHOLE)
    early = study.segments()
    for part in parts(2):
        run(study, asked, part)
    for lost in early:
        lost.unlink()
    assert sum(run(study, asked, part)["sampled"] for part in parts(2)) == 10
    generations(study, asked)


def test_answers_by_themselves_keep_their_part_when_others_are_added(study):
    cache, few, many = study.cache(), questions(study, 20), questions(study, 30)

    def owned(asked):
        shared = {part: shares.share(cache, asked[0], part, None) for part in parts(3)}
        return {one.key: part for part, batches in shared.items() for one in batches[0]}

    before, after = owned(few), owned(many)
    assert before.items() <= after.items()
    assert len(after) == 90
    assert all(15 < list(after.values()).count(part) < 45 for part in parts(3))


def test_jobs_that_begin_at_once_have_one_view_of_the_groups(study, monkeypatch):
    """One of them composes from what it saw, the other has seen less: the first to write counts."""
    (asked,), groups = questions(study, 9), groups_of(study.checkpoint, HOW)
    within = []

    def slow(self, missing):
        if not within:
            within.append(True)
            within.append(shares.dealt(study.cache(), asked, groups))
        return composed(self, missing)[::-1]

    composed = shares.Groups.composed
    monkeypatch.setattr(shares.Groups, "composed", slow)
    assert shares.dealt(study.cache(), asked, groups) == within[1]
    assert len(list((study.cache().folder / "groups").iterdir())) == 1
