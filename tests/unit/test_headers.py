"""What a model's files tell the plan: parameters by their headers, lengths by their tokenizer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_files import COMMIT
from lm_material import TEXTS, pool_rows, tiny
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from valley.core.files import POOL, parquet_stream, write_parquet
from valley.core.study import Study
from valley.lm import headers
from valley.planning import lengths
from valley.planning.estimates import EstimateError, estimate
from workspace import Workspace

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
MODELS = {
    "tied": LlamaForCausalLM(LlamaConfig(**SMALL, tie_word_embeddings=True)),
    "a head of its own": LlamaForCausalLM(LlamaConfig(**SMALL, tie_word_embeddings=False)),
    "with biases": Qwen2ForCausalLM(Qwen2Config(**SMALL)),
}


def saved(folder: Path, model, **how) -> Path:
    model.save_pretrained(folder, **how)
    return folder


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shard", ["1GB", "20KB"])
def test_headers_tell_what_the_model_has(name, shard, tmp_path):
    model = MODELS[name]
    saved(tmp_path, model, max_shard_size=shard)
    assert (tmp_path / "model.safetensors.index.json").is_file() == (shard == "20KB")
    assert headers.parameters(tmp_path) == model.num_parameters()


@pytest.mark.parametrize("name", MODELS)
def test_the_configuration_tells_it_where_no_weights_are(name, tmp_path):
    saved(tmp_path, MODELS[name])
    (tmp_path / "model.safetensors").unlink()
    assert headers.parameters(tmp_path) == MODELS[name].num_parameters()


def test_one_file_of_several_that_is_missing_is_not_counted_without(tmp_path):
    model = saved(tmp_path, MODELS["tied"], max_shard_size="20KB")
    sorted(model.glob("*.safetensors"))[0].unlink()
    assert headers.parameters(model) == MODELS["tied"].num_parameters()
    config = json.loads((model / "config.json").read_text())
    del config["intermediate_size"]
    (model / "config.json").write_text(json.dumps(config))
    assert headers.parameters(model) is None


def test_a_tied_head_that_is_written_out_and_buffers_are_not_counted(tmp_path):
    model = MODELS["tied"]
    saved(tmp_path, model)
    tensors = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert "lm_head.weight" in tensors
    tensors["positions"] = torch.arange(1000)
    save_file(tensors, tmp_path / "model.safetensors")
    assert headers.parameters(tmp_path) == model.num_parameters()


def test_packed_weights_tell_nothing(tmp_path):
    saved(tmp_path, MODELS["tied"])
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert headers.parameters(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x10" + b"\0" * 7 + b"{]", b"\2\0\0\0\0"])
def test_a_damaged_file_is_named(content, tmp_path):
    saved(tmp_path, MODELS["tied"])
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors: it has no header of safetensors"):
        headers.parameters(tmp_path)


def test_a_damaged_index_is_named(tmp_path):
    saved(tmp_path, MODELS["tied"], max_shard_size="20KB")
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ValueError, match="it has no weight_map"):
        headers.parameters(tmp_path)


def study(model: Path, **assumed) -> Study:
    config = Workspace.smoke()
    config["students"] = {"mine": {"hub": {"id": str(model)}}}
    recipe = {"learning_rate": 1e-4, "batch_examples": 8, "epochs": 2, "max_length": 400}
    config["recipes"] = {name: recipe for name in config["recipes"]}
    return Study({**config, "results": str(model.parent / "results"), "estimates": assumed})


ARM = {"student": "mine", "recipe": "distil", "slice": "all.any", "size": 40, "seed": 0}


def test_a_folders_student_is_priced_and_nobody_is_asked(tmp_path):
    model = saved(tmp_path / "student", MODELS["tied"])
    made = estimate(study(model).config, "train", ARM)
    count = MODELS["tied"].num_parameters()
    assert made.amount == pytest.approx(6 * count * 40 * 2 * 100)
    assert (
        estimate(study(model, parameters={"mine": 5e6}).config, "train", ARM).amount > made.amount
    )


def test_a_damaged_student_says_so_in_the_plan(tmp_path):
    model = saved(tmp_path / "student-7b", MODELS["tied"])
    (model / "model.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(EstimateError, match=r"student 'mine': .*the file is damaged"):
        estimate(study(model).config, "train", ARM)


def test_a_student_of_the_hubs_cache_is_counted(tmp_path):
    """In a process of its own: the library reads HF_HOME when it is imported."""
    cached = tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT
    saved(cached, MODELS["a head of its own"])
    refs = tmp_path / "hub" / "models--some--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    script = (
        "from valley.lm import headers\n"
        "of = headers.parameters_of\n"
        f"print(of('some/model', '{COMMIT}'), of('some/model'), of('some/other'))\n"
        "print(of('no/such/folder'))\n"
        "import sys; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(headers.__file__).resolve().parents[2],
        env={"HF_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    count = MODELS["a head of its own"].num_parameters()
    assert done.stdout.splitlines() == [f"{count} {count} None", "None", "[]"], done.stderr


@pytest.fixture
def pooled(tmp_path) -> Study:
    """A study with its pool, and a student whose tokenizer is really one."""
    model, tokenizer = tiny()
    model.save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    found = study(tmp_path / "student")
    pool = Path(found.root) / "corpus" / "pool.parquet"
    pool.parent.mkdir(parents=True)
    write_parquet(pool, pool_rows(500), POOL)
    return found


def test_lengths_are_those_of_the_tokenizer(pooled):
    _, tokenizer = tiny()
    found = lengths.of_study(pooled)("mine")
    rows = lengths.sampled(Path(pooled.root) / "corpus" / "pool.parquet")
    assert len(rows) == len(found.traces) == lengths.ROWS
    expected = [len(tokenizer(p)["input_ids"]) for p, _ in rows]
    assert list(found.prompts) == expected
    answers = [len(tokenizer(r)["input_ids"]) for _, r in rows]
    assert list(found.traces) == [p + a for p, a in zip(expected, answers, strict=True)]


def test_counted_lengths_go_before_assumed_ones(pooled):
    counted = lengths.of_study(pooled)
    mean = sum(counted("mine").traces) / len(counted("mine").traces)
    made = estimate(pooled.config, "train", ARM, counted)
    assumed = estimate(pooled.config, "train", ARM)
    assert made.amount / assumed.amount == pytest.approx(mean / 100)
    assert made.encoded_bytes == pytest.approx(40 * (4 * mean + 50))
    said = dict(pooled.config, estimates={**pooled.config["estimates"], "trace_tokens": 77})
    assert estimate(said, "train", ARM, counted).amount == pytest.approx(assumed.amount * 0.77)


def test_reading_the_question_is_counted_where_its_length_is_known(pooled):
    where = {"checkpoint": "mine/base", "benchmark": "bank"}
    without = estimate(pooled.config, "generate", where)
    made = estimate(pooled.config, "generate", where, lengths.of_study(pooled))
    question = sum(lengths.of_study(pooled)("mine").prompts) / lengths.ROWS
    assert made.amount / without.amount == pytest.approx((question + 32) / 32)


def test_without_a_pool_or_a_tokenizer_lengths_are_not_known(pooled):
    (Path(pooled.root).parent.parent / "student" / "tokenizer.json").unlink()
    assert lengths.of_study(pooled)("mine") is None
    (Path(pooled.root) / "corpus" / "pool.parquet").unlink()
    assert lengths.of_study(pooled)("mine") is None


def test_a_large_pool_is_sampled_from_a_few_of_its_groups(tmp_path, monkeypatch):
    rows = [{**row, "response": TEXTS[at % 100]} for at, row in enumerate(pool_rows(3000))]
    with parquet_stream(tmp_path / "pool.parquet", POOL, group_bytes=2000) as stream:
        for row in rows:
            stream.write(row)
    read = []
    opened = lengths.open_parquet

    def counting(path):
        file = opened(path)
        original = file.read_row_group
        file.read_row_group = lambda at, **how: read.append(at) or original(at, **how)
        return file

    monkeypatch.setattr(lengths, "open_parquet", counting)
    found = lengths.sampled(tmp_path / "pool.parquet")
    assert 0 < len(read) <= lengths.GROUPS < opened(tmp_path / "pool.parquet").num_row_groups
    assert 0 < len(found) <= lengths.ROWS
    assert found == lengths.sampled(tmp_path / "pool.parquet")
    assert set(found) <= {(row["prompt"], row["response"]) for row in rows}
