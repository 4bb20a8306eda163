"""Students as the hub has them: their templates, ends of turn, and think tags."""

import json

import pytest
import torch
import train
from training_material import (
    LLAMA_TEMPLATE,
    QWEN_TEMPLATE,
    description,
    hub_student,
    made,
    model_of,
    tokenizer_of,
    work,
)
from valley.core.chats import Chat
from valley.core.files import read_json
from valley.core.recipes import Recipe
from valley.lm import chat, students, templates
from valley.workflow.job import Job

THOUGHT = "<think>\nadd\n</think>\nprint(1)"


@pytest.mark.parametrize(("kind", "end"), [("qwen2", "<|im_end|>"), ("llama", "<|eot_id|>")])
def test_the_end_of_turn_is_the_templates_and_not_the_documents(kind, end):
    """A base model's tokenizer ends documents; what the student must stop with ends a turn."""
    document = {"qwen2": "<|endoftext|>", "llama": "<|begin_of_text|>"}[kind]
    for eos in (None, document):
        tokenizer = tokenizer_of(kind, eos=eos)
        assert tokenizer.convert_ids_to_tokens(chat.end_of_turn(tokenizer)) == end


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_reasoning_is_learnt_whole_though_a_template_would_cut_it_out(kind):
    """The Llama-like template drops everything before </think>; training never renders answers."""
    tokenizer = tokenizer_of(kind)
    example = chat.encode(tokenizer, "x", "Add.", THOUGHT)
    learnt = tokenizer.decode(example.ids[example.prompt_tokens :])
    end = tokenizer.convert_ids_to_tokens(chat.end_of_turn(tokenizer))
    assert learnt == THOUGHT + end


@pytest.mark.parametrize(("kind", "system"), [("qwen2", "You are a helpful"), ("llama", "Today")])
def test_a_templates_own_system_message_stands_in_prompts_and_is_told(kind, system):
    """The same in training and generation, since both use prompt_ids; the manifest shows it."""
    tokenizer = tokenizer_of(kind)
    prompt = tokenizer.decode(chat.prompt_ids(tokenizer, "Add."))
    said = chat.layout(tokenizer)
    assert system in said["before"]
    assert said["before"] + "Add." + said["after"] == prompt
    if kind == "llama":
        assert prompt.count("<|begin_of_text|>") == 1


def test_no_prompt_changes_overnight():
    """The published template asks the clock unless a date is given."""
    assert "strftime_now" in LLAMA_TEMPLATE
    assert f"Today Date: {templates.DATE}" in chat.layout(tokenizer_of("llama"))["before"]


def test_a_template_that_opens_what_no_trace_begins_with_is_refused():
    tokenizer = tokenizer_of("qwen2")
    tokenizer.chat_template = QWEN_TEMPLATE.replace(
        "assistant\\n' }}{%- endif", "assistant\\n<reason>' }}{%- endif"
    )
    with pytest.raises(ValueError, match="opens '<reason>' before the answer"):
        chat.layout(tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        chat.layout(tokenizer)


@pytest.mark.parametrize("spare", [0, 7])
@pytest.mark.parametrize("tied", [True, False])
def test_a_new_tag_begins_as_the_mean_of_its_pieces(spare, tied):
    """Spare rows of an embedding are used before it grows: Qwen2.5's has several hundred."""
    tokenizer = tokenizer_of("qwen2")
    model = model_of("qwen2", tokenizer, spare=spare, tie_word_embeddings=tied)
    before = {
        "in": model.get_input_embeddings().weight.detach().clone(),
        "out": model.get_output_embeddings().weight.detach().clone(),
    }
    pieces = tokenizer("</think>", add_special_tokens=False)["input_ids"]
    assert len(pieces) > 1
    new = chat.add_think_tokens(model, tokenizer)
    assert len(new) == 2 and tokenizer("</think>", add_special_tokens=False)["input_ids"] == [
        new[1]
    ]
    ends = {"in": model.get_input_embeddings().weight, "out": model.get_output_embeddings().weight}
    for side, weight in ends.items():
        assert weight.shape[0] == max(len(tokenizer), before[side].shape[0])
        assert torch.allclose(weight[new[1]], before[side][pieces].mean(0))
        rest = min(new)
        assert torch.equal(weight[:rest], before[side][:rest])
    assert chat.add_think_tokens(model, tokenizer) == [], "a second time there is nothing to add"
    assert tokenizer.decode([new[0]], skip_special_tokens=True) == "<think>"


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize("think", ["text", "tokens"])
def test_both_families_learn_and_are_saved_as_they_came(tmp_path, kind, think):
    start = hub_student(tmp_path, kind)
    job = description(tmp_path, start, think=think, epochs=4)
    work(job)
    losses = [entry["loss"] for entry in made(job)["losses"]]
    assert losses[-1] < 0.6 * losses[0]
    model, tokenizer = students.load(job["manifest"])
    assert model.config.model_type == kind
    assert ("<think>" in tokenizer.get_vocab()) == (think == "tokens")
    told = read_json(job["manifest"])["chat"]
    assert told["end"] == {"qwen2": "<|im_end|>", "llama": "<|eot_id|>"}[kind]


def test_the_second_stage_honours_the_first_ones_tags(tmp_path):
    first = description(tmp_path / "one", hub_student(tmp_path), think="tokens", epochs=1)
    work(first)
    second = description(tmp_path / "two", first["manifest"], think="tokens", epochs=1)
    work(second)
    one, two = (students.load(job["manifest"]) for job in (first, second))
    assert len(one[1]) == len(two[1])
    assert one[0].get_input_embeddings().weight.shape == two[0].get_input_embeddings().weight.shape


def test_bf16_checkpoints_are_saved_in_bf16(tmp_path):
    job = description(tmp_path, hub_student(tmp_path), precision="bf16", weights="bf16", epochs=1)
    work(job)
    config = json.loads((tmp_path / "made/model/config.json").read_text())
    assert config["dtype"] == "bfloat16"
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "made/model/model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}


def test_the_card_says_what_made_the_checkpoint(tmp_path):
    job = description(tmp_path, hub_student(tmp_path), epochs=1)
    job["about"] = {
        "study": "valley",
        "arm": {"student": "q", "size": 40},
        "recipe": {"rate": 0.01},
        "data": "abc",
        "start": "def",
    }
    work(job)
    text = (tmp_path / "made/model/README.md").read_text()
    for word in (
        "`valley`",
        "| size | `40` |",
        "| rate | `0.01` |",
        "`abc`",
        "`def`",
        "| updates |",
    ):
        assert word in text
    assert str(tmp_path) not in text
    assert "README.md" not in read_json(job["manifest"])["files"]


def test_a_student_that_caps_its_logits_is_refused(tmp_path):
    """The loss takes the output head's logits; a family that changes them would learn otherwise."""
    from transformers import AutoModelForCausalLM, Gemma2Config

    tokenizer = tokenizer_of("qwen2")
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = Gemma2Config(vocab_size=len(tokenizer), final_logit_softcapping=0.01, **shape, **heads)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "hub")
    tokenizer.save_pretrained(tmp_path / "hub")
    manifest = tmp_path / "start.json"
    manifest.write_text(json.dumps({"hub": {"id": str(tmp_path / "hub"), "revision": None}}))
    with pytest.raises(ValueError, match="Gemma2ForCausalLM changes its logits"):
        work(description(tmp_path, manifest, attention="sdpa"))


@pytest.mark.parametrize(
    ("kind", "settings", "plain"),
    [
        ("qwen2", {}, True),
        ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, True),
        ("gpt_neox", {}, True),
        ("gemma2", {}, False),  # a cap of 30, far above an untrained model's logits
        ("gemma2", {"final_logit_softcapping": None}, True),
        ("cohere", {}, False),  # a scale
        ("granite", {"logits_scaling": 8.0}, False),
    ],
)
def test_what_a_family_does_to_its_logits_is_seen_in_its_configuration(kind, settings, plain):
    """At its published size, without weights; no generator's state moves."""
    from transformers import CONFIG_MAPPING
    from valley.lm.loss import check_logits

    config, state = CONFIG_MAPPING[kind](**settings), torch.get_rng_state()
    if plain:
        check_logits(config)
    else:
        with pytest.raises(ValueError, match="changes its logits after the output head"):
            check_logits(config)
    assert torch.equal(torch.get_rng_state(), state)
    assert config.num_hidden_layers > 0, "the configuration itself is as it was"


def test_generation_ends_where_the_student_learnt_to(tmp_path):
    """A base model's own config ends documents; vLLM and transformers read it from the folder."""
    tokenizer = tokenizer_of("qwen2", eos="<|endoftext|>")
    model_of("qwen2", tokenizer).save_pretrained(tmp_path / "hub")
    tokenizer.save_pretrained(tmp_path / "hub")
    start = tmp_path / "start.json"
    start.write_text(json.dumps({"hub": {"id": str(tmp_path / "hub"), "revision": None}}))
    job = description(tmp_path, start, epochs=1)
    work(job)
    saved = json.loads((tmp_path / "made/model/generation_config.json").read_text())
    names = tokenizer.convert_ids_to_tokens(saved["eos_token_id"])
    assert names == ["<|im_end|>", "<|endoftext|>"]


def test_a_model_in_a_folder_is_told_from_others_by_its_content(tmp_path):
    """A folder has no revision: other weights in it are another student."""
    config, manifest = tmp_path / "config.json", tmp_path / "checkpoint.json"
    hub = {"id": str(tmp_path), "revision": None}

    def noted(text):
        config.write_text(text)
        student = train.Student(
            files=[config],
            manifest=manifest,
            recipe=Recipe(learning_rate=None),
            hub=hub,
            chat=Chat(),
            store=tmp_path,
            training={},
            tracking={},
        )
        student.run(Job())
        return manifest.read_bytes(), students.identity(manifest)

    one, same, other = noted("{}"), noted("{}"), noted('{"a": 1}')
    assert one == same
    assert one[0] != other[0] and one[1] != other[1]
    assert students.source_of(json.loads(other[0]), manifest) == (str(tmp_path), None)
