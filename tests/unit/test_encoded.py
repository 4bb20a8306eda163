"""A shard is tokenised once: the same examples, found again without its text, by every process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import train
from lm_material import pool_rows
from safetensors.torch import load_file, save_file
from training_material import description, hub_student, made, tokenizer_of, work
from valley.core.files import POOL, file_digest, write_json, write_parquet
from valley.lm import chat, encoded, launch
from valley.lm.launch import Layout

ROWS, WEIGHTS = pool_rows(300), "model.safetensors"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def shard(tmp_path):
    write_parquet(tmp_path / "shard.parquet", ROWS, POOL)
    return tmp_path / "shard.parquet"


def plain(examples):
    return [(example.id, list(example.ids), example.prompt_tokens) for example in examples]


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_encoded_together_and_mapped_examples_are_those_encoded_one_by_one(tmp_path, shard, kind):
    tokenizer = tokenizer_of(kind)
    end = chat.end_of_turn(tokenizer)
    found = encoded.kept(tokenizer, shard, end, tmp_path / "kept", {})
    single = [
        chat.encode(tokenizer, row["id"], row["prompt"], row["response"], end) for row in ROWS
    ]
    assert len(found) == 300
    assert plain(found) == plain(single)
    assert found.lengths.tolist() == [len(example.ids) for example in single]
    assert found.prompts.tolist() == [example.prompt_tokens for example in single]
    assert not found[3].ids.flags.writeable, "it is where the file is mapped"


def test_kept_columns_are_files_that_datasets_maps(tmp_path, shard):
    from datasets import Dataset

    tokenizer = tokenizer_of("qwen2")
    found = encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {})
    (part,) = (tmp_path / "kept").glob("*/*.arrow")
    same = Dataset.from_file(str(part))
    assert same["ids"][:] == [list(example.ids) for example in found]


def test_a_large_shard_lies_in_several_parts(tmp_path, shard, monkeypatch):
    tokenizer = tokenizer_of("qwen2")
    whole = encoded.kept(tokenizer, shard, 2, tmp_path / "whole", {})
    monkeypatch.setattr(encoded, "PART_BYTES", 1 << 10)
    monkeypatch.setattr(encoded, "PORTION", 7)
    parts = encoded.kept(tokenizer, shard, 2, tmp_path / "parts", {})
    assert len(list((tmp_path / "parts").glob("*/*.arrow"))) > 10
    assert plain(parts) == plain(whole)


def test_a_second_start_reads_no_text_and_learns_the_same(tmp_path, start, capfd):
    """The shard is gone when the second training starts; only its digest is known."""
    fresh = description(tmp_path / "fresh", start)
    work(fresh)
    job = description(tmp_path / "first", start) | {"encoded": str(tmp_path / "kept")}
    job["digests"] = {name: file_digest(job[name]) for name in ("shard", "validation")}
    work(job)
    assert "encoded" in capfd.readouterr().out
    again = description(tmp_path / "second", start, max_length=500)
    again |= {name: job[name] for name in ("encoded", "digests")}
    for name in ("shard", "validation"):
        Path(again[name]).unlink()
    work(again)
    assert "encoded" not in capfd.readouterr().out
    wanted = (Path(fresh["manifest"]).parent / "model/model.safetensors").read_bytes()
    for one in (job, again):
        folder = Path(one["manifest"]).parent
        assert (folder / "model/model.safetensors").read_bytes() == wanted
        assert (folder / "losses.jsonl").read_bytes() == train.Training.of(
            fresh
        ).losses.read_bytes()
    assert len(list((tmp_path / "kept").glob("*"))) == 2, "shard and held-out rows, no rest"


@pytest.mark.parametrize("harm", ["flip", "cut", "lose", "garble"])
def test_what_is_damaged_is_made_anew(tmp_path, shard, harm, capfd):
    tokenizer = tokenizer_of("qwen2")
    wanted = plain(encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {}))
    (part,) = (tmp_path / "kept").glob("*/*.arrow")
    content = bytearray(part.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif harm == "cut":
        part.write_bytes(content[:-100])
    elif harm == "lose":
        part.unlink()
    else:
        (part.parent / "about.json").write_text("{")
    capfd.readouterr()
    assert plain(encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {})) == wanted
    assert "encoded" in capfd.readouterr().out
    encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {})
    assert "encoded" not in capfd.readouterr().out


def test_what_determines_it_makes_another(tmp_path, shard):
    def entries():
        return len(list((tmp_path / "kept").glob("*")))

    tokenizer = tokenizer_of("qwen2")
    encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {})
    encoded.kept(tokenizer_of("qwen2"), shard, 2, tmp_path / "kept", {})
    assert entries() == 1
    tokenizer.chat_template = tokenizer.chat_template.replace("helpful", "terse")
    encoded.kept(tokenizer, shard, 2, tmp_path / "kept", {})
    encoded.kept(tokenizer, shard, 1, tmp_path / "kept", {})
    encoded.kept(tokenizer, shard, 1, tmp_path / "kept", {"code": "other"})
    assert entries() == 4
    write_parquet(shard, ROWS[1:], POOL)
    encoded.kept(tokenizer, shard, 1, tmp_path / "kept", {"code": "other"})
    assert entries() == 5


ENCODE = """
import sys
from transformers import AutoTokenizer
from valley.lm import encoded, students
from pathlib import Path
tokenizer = students.load_tokenizer(sys.argv[1])
print(len(encoded.kept(tokenizer, sys.argv[2], 2, sys.argv[3], {})), flush=True)
"""


@pytest.mark.long
def test_jobs_that_want_the_same_shard_at_once_encode_it_once(tmp_path, start):
    write_parquet(tmp_path / "shard.parquet", pool_rows(4000), POOL)
    source = json.loads(start.read_text())["hub"]["id"]
    words = [sys.executable, "-c", ENCODE, source, tmp_path / "shard.parquet", tmp_path / "kept"]
    path = {"PYTHONPATH": str(launch.SCRIPT.parent), "PATH": "/bin:/usr/bin"}
    ran = [subprocess.Popen(words, env=path, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=300)[0] for process in ran]
    assert all(text.endswith("4000\n") for text in said)
    assert sum("encoded" in text for text in said) == 1
    assert len(list((tmp_path / "kept").glob("*"))) == 1, "no lock and nothing half is left"


@pytest.mark.long
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("think", ["text", "tokens"])
def test_two_processes_share_weights_and_examples_of_the_first(tmp_path, tied, think):
    """The second has neither weights nor text of its own; the files are those of one process."""
    start = hub_student(tmp_path / "student", tie_word_embeddings=tied)
    settings = {"micro_tokens": 128, "learning_rate": 0.002, "think": think}
    one = description(tmp_path / "one", start, **settings)
    two = description(tmp_path / "two", start, **settings)
    two["encoded"] = str(tmp_path / "kept")
    two["how"] = {**two["how"], "timeout": 0.5}
    work(one)
    file = tmp_path / "two" / "job.json"
    write_json(file, two)
    launch.run(file, Layout(1, 2), 1, train.one_of_several.__name__)
    single, shared = made(one), made(two)
    for name, weight in single["weights"].items():
        assert torch.allclose(weight, shared["weights"][name], atol=2e-5), name
    folders = [Path(job["manifest"]).parent / "model" for job in (one, two)]
    assert load_file(folders[0] / WEIGHTS).keys() == load_file(folders[1] / WEIGHTS).keys()
    for path in folders[0].iterdir():
        if path.suffix == ".json":
            assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name


@pytest.mark.long
def test_a_start_that_holds_its_tied_weights_twice_is_trained_by_two_processes(tmp_path):
    """They are tied if they are equal; only the process that reads them can tell."""
    start = hub_student(tmp_path / "student", tie_word_embeddings=True)
    file = tmp_path / "student" / "hub" / WEIGHTS
    weights = load_file(file)
    head = weights["model.embed_tokens.weight"].clone()
    save_file({**weights, "lm_head.weight": head}, file, metadata={"format": "pt"})
    job = description(tmp_path / "two", start, how={"timeout": 0.5})
    write_json(tmp_path / "two" / "job.json", job)
    launch.run(tmp_path / "two" / "job.json", Layout(1, 2), 1, train.one_of_several.__name__)
    assert "lm_head.weight" not in load_file(Path(job["manifest"]).parent / "model" / WEIGHTS)
