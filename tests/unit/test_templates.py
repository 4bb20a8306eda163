"""Chat templates of the families that students come from: what is given, learnt and asked."""

import json

import pytest
import train
from chat_templates import FAMILIES, GEMMA2, R1_DISTILL, tokenizer_of
from generate import answer, benchmark_questions, write
from lm_material import pool_rows
from training_material import RECIPE, model_of
from valley.core.chats import Chat, ChatError, chat_of
from valley.core.files import POOL, PROBLEM, digest, read_json, read_parquet, write_parquet
from valley.core.recipes import Recipe
from valley.core.sampling import Sampling
from valley.core.text import has_think_tag, well_formed
from valley.judging.reasoning import after_reasoning, opened_by
from valley.lm import chat, packing, students, templates
from valley.lm.answer_cache import cache_of_checkpoint
from valley.workflow.job import Job

TRACE = "<think>\nadd 3\n</think>\n\n```python\nprint(1)\n```"
PROGRAM = "```python\nprint(1)\n```"
WRITTEN = "add 3\n</think>\n\n```python\nprint(1)\n```"
CLOSED = "<think>\n\n</think>\n\n"


def of(family, **said):
    tokenizer = tokenizer_of(family)
    templates.settle(tokenizer, Chat(**said), "students.s")
    return tokenizer


def learnt(tokenizer, response):
    """Return what an example is conditioned on and what of it carries loss, decoded by the mask."""
    example = chat.encode(tokenizer, "x", "Add.", response)
    batch = packing.collate([[example]], tokenizer.pad_token_id)
    trained = batch["labels"] != packing.IGNORED
    return (
        tokenizer.decode(batch["input_ids"][~trained]),
        tokenizer.decode(batch["labels"][trained]),
    )


CASES = [  # family, settings, what stands in the prompt, what it opens
    ("qwen2.5", {}, "system\nYou are Qwen, created by Alibaba Cloud.", ""),
    ("qwen2.5", {"system": "Be brief."}, "system\nBe brief.<|im_end|>", ""),
    ("qwen3", {}, "<|im_start|>user\nAdd.", ""),
    ("qwen3", {"thinking": True}, "<|im_start|>user\nAdd.", ""),
    ("qwen3", {"thinking": False}, "<|im_start|>user\nAdd.", CLOSED),
    ("llama-3.1", {}, "Today Date: 26 Jul 2024", ""),
    ("llama-3.1", {"system": "Be brief."}, "26 Jul 2024\n\nBe brief.<|eot_id|>", ""),
    ("r1-distill", {}, "<｜User｜>Add.", "<think>\n"),
    ("r1-distill", {"system": "Be brief."}, "Be brief.<｜User｜>Add.", "<think>\n"),
    ("smollm2", {}, "named SmolLM", ""),
    ("gemma-3", {}, "<start_of_turn>user\nAdd.", ""),
    ("gemma-3", {"system": "Be brief."}, "user\nBe brief.\n\nAdd.<end_of_turn>", ""),
]


@pytest.mark.parametrize(("family", "said", "shown", "opens"), CASES)
def test_what_is_asked_is_what_is_learnt_after(family, said, shown, opens):
    """Reasoning is learnt whole, whatever templates cut out; what was given is not learnt again."""
    tokenizer = of(family, **said)
    prompt = tokenizer.decode(chat.prompt_ids(tokenizer, "Add."))
    assert shown in prompt and prompt.endswith(opens)
    assert templates.opening(tokenizer) == opens
    asked, answered = learnt(tokenizer, TRACE)
    end = FAMILIES[family][2]
    assert asked == prompt
    assert answered == (WRITTEN if opens == "<think>\n" else TRACE) + end
    assert (asked + answered).count(TRACE) == 1
    rows = [{"id": "x", "prompt": "Add.", "response": TRACE}]
    (together,) = chat.encode_all(tokenizer, rows, chat.end_of_turn(tokenizer))
    assert together == chat.encode(tokenizer, "x", "Add.", TRACE)


@pytest.mark.parametrize("family", ["qwen3", "r1-distill"])
def test_the_published_templates_would_lose_reasoning(family):
    """Of an earlier turn; R1's of the last one too. That is why no answer is laid out by them."""
    tokenizer = tokenizer_of(family)
    turns = [("user", "Add."), ("assistant", TRACE)]
    more = [("user", "Again.")] if family == "qwen3" else []
    assert "add 3" not in templates.rendered(tokenizer, *turns, *more)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_no_system_message_leaves_nothing_but_the_users_turn(family):
    tokenizer = of(family, system="")
    before = chat.layout(tokenizer)["before"].removeprefix(tokenizer.bos_token or "")
    header = {
        "llama-3.1": "<|start_header_id|>user<|end_header_id|>\n\n",
        "r1-distill": "<｜User｜>",
        "gemma-3": "<start_of_turn>user\n",
    }
    assert before == header.get(family, "<|im_start|>user\n")
    plain, bare = tokenizer_of(family), tokenizer
    ends = [chat.layout(one)["after"] for one in (plain, bare)]
    assert ends[0] == ends[1] and chat.end_of_turn(plain) == chat.end_of_turn(bare)
    own = templates.rendered(bare, ("system", "Mine."), ("user", "Add."))
    assert own == templates.rendered(plain, ("system", "Mine."), ("user", "Add."))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_student_of_which_nothing_is_said_keeps_its_template(family):
    assert of(family).chat_template == FAMILIES[family][0]


def test_a_system_message_may_hold_anything():
    text = "Quote \"this\" and 'that' }} {% if %}\n\\n ☃ 😀"
    assert text in chat.layout(of("qwen2.5", system=text))["before"]
    assert text in chat.layout(of("qwen3", system=text, thinking=False))["before"]


@pytest.mark.parametrize(
    ("response", "given", "left"),
    [
        (TRACE, "", TRACE),
        (TRACE, "<think>", "\n" + WRITTEN),
        ("<think>add", "<think>\n", "add"),
        ("<think>\n\nadd", "<think>\n", "\nadd"),
        ("\n <think>\nadd", "<think>\n", "add"),
        (WRITTEN, "<think>\n", WRITTEN),  # a teacher's template had opened it, too
        (PROGRAM, "<think>\n", "\n</think>\n\n" + PROGRAM),
        (TRACE, CLOSED, TRACE),
        (CLOSED + PROGRAM, CLOSED, PROGRAM),
        (PROGRAM, CLOSED, PROGRAM),
        (PROGRAM, "</think>", PROGRAM),
    ],
)
def test_what_was_given_is_not_written_again(response, given, left):
    assert templates.continued(response, given) == left


@pytest.mark.parametrize("part", ["reasoning", "answer"])
def test_parts_of_a_continued_trace_are_told_by_the_tag_that_is_written(part):
    tokenizer = of("r1-distill")
    example = chat.Part(tokenizer, part)(chat.encode(tokenizer, "x", "Add.", TRACE))
    begin, end = example.span
    text = tokenizer.decode(example.ids[begin:end])
    reasoning = "add 3\n</think>"
    if part == "reasoning":
        assert text == reasoning
    else:
        assert text == f"\n\n{PROGRAM}" + FAMILIES["r1-distill"][2]


@pytest.mark.parametrize(("family", "counts"), [("r1-distill", True), ("qwen3", False)])
def test_only_reasoning_that_is_open_is_a_part_of_an_answer(family, counts):
    tokenizer = of(family, **({} if counts else {"thinking": False}))
    prompt = tokenizer.decode(chat.prompt_ids(tokenizer, "Add."), skip_special_tokens=True)
    text = opened_by(prompt) + (WRITTEN if counts else PROGRAM)
    assert has_think_tag(text) == well_formed(text) == counts
    assert after_reasoning(text).strip() == PROGRAM


@pytest.mark.parametrize(
    ("family", "said", "message"),
    [
        ("qwen2.5", {"thinking": False}, r"s\.thinking: the chat template does not ask for enable"),
        ("r1-distill", {"thinking": True}, r"s\.thinking: .*leave the key out"),
        (
            "gemma-3",
            {"chat_template": GEMMA2, "system": "Be brief."},
            r"s\.system: .*refuses a system message \(System role not supported\).*`prompt`",
        ),
        (
            "qwen2.5",
            {"chat_template": "{{ messages[-1].content }}", "system": "Be brief."},
            r"s\.system: the chat template leaves a system message out",
        ),
        ("qwen2.5", {"chat_template": "{{ messages[0].role }}"}, "leaves out the user's message"),
        (
            "r1-distill",
            {"chat_template": R1_DISTILL.replace("<think>\\n", "<reasoning>\\n")},
            "students.s: .*opens '<reasoning>' before the answer; known are <think>",
        ),
    ],
)
def test_what_a_template_cannot_do_is_said_in_a_line(family, said, message):
    with pytest.raises(ChatError, match=message) as error:
        of(family, **said)
    assert "\n" not in str(error.value)


def student(**said):
    return {"chat_template": None, "system": None, "thinking": None, **said}


def test_a_template_is_known_by_its_content_wherever_it_stands(tmp_path):
    (tmp_path / "r1.jinja").write_text(R1_DISTILL)
    by_path = chat_of("s", student(chat_template=str(tmp_path / "r1.jinja")))
    assert by_path == chat_of("s", student(chat_template=R1_DISTILL))
    assert by_path.given and not chat_of("s", student()).given


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("nowhere.jinja", r"students\.s\.chat_template: 'nowhere\.jinja' can't be read .*No such"),
        ("{{ a }}\n{% for m in messages %}", r"chat_template: line 2 is not valid Jinja: .*end"),
        ("{{ messages | shout }}", "line 1 is not valid Jinja: No filter named 'shout'"),
        ("{{ bos_token }}", "the template never uses `messages`"),
    ],
)
def test_a_template_that_is_none_is_refused_before_anything_runs(said, message):
    with pytest.raises(ChatError, match=message) as error:
        chat_of("s", student(chat_template=said))
    assert "\n" not in str(error.value)


def test_a_template_may_use_what_transformers_adds_to_jinja():
    text = (
        "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    assert chat_of("s", student(chat_template=text)).chat_template == text


def made_student(folder, **said):
    """Return the manifest of a student of the hub's form, written as its rule does."""
    manifest = folder / "student" / "checkpoint.json"
    nothing = dict.fromkeys(Recipe.__dataclass_fields__)
    train.Student(
        manifest=manifest,
        recipe=Recipe(**nothing),
        hub={"id": str(folder / "hub"), "revision": None},
        chat=Chat(**said),
        store=folder,
        training={},
        tracking={},
    ).run(Job(wildcards={"student": "s"}))
    return manifest


def test_a_student_that_opens_its_reasoning_is_trained_sampled_and_counted(tmp_path):
    """A model without such a template of its own: the study file's is trained, saved and asked."""
    tokenizer = tokenizer_of("r1-distill")
    tokenizer.chat_template = None
    model_of("llama", tokenizer).save_pretrained(tmp_path / "hub")
    tokenizer.save_pretrained(tmp_path / "hub")
    start = made_student(tmp_path, chat_template=R1_DISTILL, system="Be brief.")
    rows = pool_rows(8)
    write_parquet(tmp_path / "shard.parquet", rows, POOL)
    what = train.Training(
        start=str(start),
        shard=str(tmp_path / "shard.parquet"),
        manifest=str(tmp_path / "made" / "checkpoint.json"),
        state=str(tmp_path / "state"),
        recipe=Recipe(**{**RECIPE, "epochs": None, "steps": 2}),
        seed=1,
        how={"save_every": 30, "check_memory": True},
        about={"study": "s", "arm": {}, "recipe": {}, "data": "d", "start": ""},
    )
    train.work(what)
    made = read_json(what.manifest)
    assert made["updates"] == 2
    assert made["chat"]["before"] == "<｜begin▁of▁sentence｜>Be brief.<｜User｜>"
    assert made["chat"]["after"] == "<｜Assistant｜><think>\n"

    problem = dict.fromkeys(PROBLEM.names)
    asked = [{**problem, "id": f"p{n}", "statement": f"Add {n}."} for n in range(2)]
    write_parquet(tmp_path / "problems.parquet", asked, PROBLEM)
    how = Sampling(samples=2, temperature=1.0, max_tokens=8)
    prompts = []
    for checkpoint in (start, what.manifest):
        _, tokenizer = students.load(checkpoint)
        prompts.append(tokenizer.decode(chat.prompt_ids(tokenizer, "Add 1.")))
        cache = cache_of_checkpoint(
            checkpoint, tmp_path / "store", {"engine": "transformers", "seed": 0}
        )
        questions = benchmark_questions(tmp_path / "problems.parquet", how)
        assert answer(checkpoint, [questions], cache, how)["sampled"] == 4
        write(questions, cache, tmp_path / "answers.parquet")
        for row in read_parquet(tmp_path / "answers.parquet"):
            assert row["text"].startswith("<think>\n") and has_think_tag(row["text"])
            assert row["tokens"] <= 8, "what was given is no token of the answer"
            cut = "</think>" not in row["text"]
            assert (after_reasoning(row["text"]) is None) == cut
    assert prompts[0] == prompts[1] == made["chat"]["before"] + "Add 1." + made["chat"]["after"]


def test_what_is_said_of_a_chat_is_a_part_of_what_a_student_is(tmp_path):
    """Of its manifest, by which its trainings and its answers are known; without it, no byte is."""
    tokenizer_of("qwen3").save_pretrained(tmp_path / "hub")
    said = [{}, {"thinking": False}, {"thinking": True}, {"system": "Be brief."}]
    found = [read_json(made_student(tmp_path, **one)) for one in said]
    assert found[0] == {"hub": {"id": str(tmp_path / "hub"), "revision": None}}
    assert len({digest(one) for one in found}) == len(said)
    identities = [students.identity(made_student(tmp_path, **one)) for one in said]
    assert len({json.dumps(one, sort_keys=True) for one in identities}) == len(said)
    assert identities[0] == {"hub": found[0]["hub"]}


def test_a_student_that_is_made_here_is_spoken_to_as_said():
    texts = [row["prompt"] + row["response"] for row in pool_rows(20)]
    shape = {"hidden": 16, "layers": 1, "heads": 2, "positions": 64}
    said = {"chat_template": None, "system": "Be brief.", "thinking": None}
    _, tokenizer = train.new_student(texts, vocabulary=300, seed=0, chat=said, **shape)
    _, plain = train.new_student(texts, vocabulary=300, seed=0, **shape)
    assert chat.layout(tokenizer)["before"] == "<|system|>Be brief.<|user|>"
    assert plain.chat_template == students.TEMPLATE
