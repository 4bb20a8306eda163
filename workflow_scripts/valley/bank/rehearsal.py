"""`./valley rehearse`: make the rehearsal's material, the bank in the schemas of published files.

The paper's study reads corpora, benchmarks and students that others have published. Its rehearsal
reads files of the same schemas and layouts, small enough to be made in seconds: OpenCodeReasoning-2
with the questions of TACO and APPS that it points to, LiveCodeBench, and two students of the true
architectures with their own chat templates. `make rehearsal` runs it.
"""

import base64
import json
import pickle
import zlib
from pathlib import Path

from valley.bank import problems, teacher
from valley.core.seeds import derive

LEVELS = {1: "EASY", 2: "MEDIUM", 3: "MEDIUM_HARD", 4: "HARD", 5: "VERY_HARD"}
QWEN_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# Model class, template, end of turn, and what else is special: as the published models have it.
STUDENTS = {
    "qwen": (
        "Qwen2",
        QWEN_TEMPLATE,
        "<|im_end|>",
        {"pad_token": "<|endoftext|>", "additional_special_tokens": ["<|im_start|>"]},
    ),
    "llama": (
        "Llama",
        LLAMA_TEMPLATE,
        "<|eot_id|>",
        {
            "bos_token": "<|begin_of_text|>",
            "pad_token": "<|finetune_right_pad_id|>",
            "additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>"],
        },
    ),
}


def corpus(folder: Path, number: int, seed: int) -> list[str]:
    """Write OpenCodeReasoning-2 and the TACO and APPS files that its rows point to.

    Args:
        folder: gets `ocr2/`, `taco/` and `apps/`.
        number: problems; each is answered rightly and wrongly.
        seed: of the bank.

    Returns:
        All texts, for tokenizers to learn from.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, texts = [], []
    questions_of = {
        (dataset, split): [] for dataset in ("taco", "apps") for split in ("train", "test")
    }
    for index, problem in enumerate(problems.generate(number, seed, "train")):
        level = int(problem["id"].split("-r")[0][-1])
        dataset, split = [*questions_of][index % 4]
        questions = questions_of[dataset, split]
        cases = problem["tests"]
        question = {
            "question": problem["statement"],
            "input_output": json.dumps(
                {
                    "inputs": [case["input"] for case in cases],
                    "outputs": [case["expected"] for case in cases],
                }
            ),
            "starter_code": "",
        }
        if dataset == "taco":
            question |= {
                "difficulty": LEVELS[level],
                "source": "codeforces",
                "solutions": json.dumps([problems.solution(problem["id"])]),
                "time_limit": "2.0 seconds",
                "memory_limit": "256.0 megabytes",
            }
        else:
            question |= {
                "id": len(questions),
                "difficulty": "interview",
                "solutions": json.dumps([problems.solution(problem["id"])]),
            }
        for answer, judgement in enumerate(("right", "wrong")):
            text = teacher.trace(problem, derive("rehearsal", seed, index, answer), float(answer))
            texts.append(problem["statement"] + text)
            rows.append(
                {
                    "id": f"{index:06d}-{answer}",
                    "question_id": f"{index:06d}",
                    "question": "-",
                    "r1_generation": text,
                    "qwq_critique": f"<judgement>{judgement}</judgement>",
                    "solution": text.rsplit("</think>", 1)[-1],
                    "judgement": judgement,
                    "source": "bank",
                    "license": problem["license"],
                    "dataset": dataset,
                    "split": split,
                    "difficulty": question["difficulty"],
                    "index": str(len(questions)),
                    "pass_rate": str(float(judgement == "right")),
                }
            )
        questions.append(question)
    for name in ("ocr2/train/python", "taco/train", "taco/test"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "ocr2/train/python/data-00000.parquet")
    for split in ("train", "test"):
        table = pa.Table.from_pylist(questions_of["taco", split])
        arrow = folder / f"taco/{split}/data-00000-of-00001.arrow"
        with pa.ipc.new_stream(str(arrow), table.schema) as stream:
            stream.write_table(table)
        _jsonl(folder / f"apps/{split}.jsonl", questions_of["apps", split])
    return texts


def benchmark(folder: Path, number: int, seed: int) -> None:
    """Write a file of LiveCodeBench: public tests as JSON, private ones packed as there."""

    def case(test: dict) -> dict:
        return {"input": test["input"], "output": test["expected"], "testtype": "stdin"}

    rows = []
    for index, problem in enumerate(problems.generate(number, seed, "eval")):
        cases = [case(test) for test in problem["tests"]]
        packed = zlib.compress(pickle.dumps(json.dumps(cases[1:])))
        rows.append(
            {
                "question_title": f"Rehearsal {index}",
                "question_content": problem["statement"],
                "platform": "atcoder",
                "question_id": f"reh{index:03d}_a",
                "contest_id": f"reh{index:03d}",
                "contest_date": f"2024-{1 + index % 12:02d}-01T00:00:00",
                "starter_code": "",
                "difficulty": problem["difficulty"],
                "public_test_cases": json.dumps(cases[:1]),
                "private_test_cases": base64.b64encode(packed).decode(),
                "metadata": "{}",
            }
        )
    _jsonl(folder / "lcb/test.jsonl", rows)


def student(folder: Path, name: str, texts: list[str], seed: int) -> None:
    """Write a student's Hugging Face folder: the true architecture, untrained, of tiny shape.

    Args:
        folder: the model's folder is made in it, under the student's name.
        name: one of STUDENTS.
        texts: what its tokenizer learns from.
        seed: of its weights.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    kind, template, end, special = STUDENTS[name]
    bytewise = Tokenizer(models.BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bytewise.train_from_iterator(sorted(texts), trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        chat_template=template,
        eos_token=end,
        clean_up_tokenization_spaces=False,
        **special,
    )
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=-(-len(tokenizer) // 64) * 64,  # published models are padded, too
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    model.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)


def _jsonl(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make(folder: Path, *, traces: int, tasks: int, seed: int) -> None:
    """Make all of it, or nothing: a folder that is there already stays as it is.

    Args:
        folder: gets the corpus, the questions, the benchmark and the students.
        traces: problems of the corpus.
        tasks: problems of the benchmark.
        seed: of everything.
    """
    if folder.exists():
        print(f"{folder} is there already")
        return
    temporary = folder.with_name(f".{folder.name}.making")
    texts = corpus(temporary, traces, seed)
    benchmark(temporary, tasks, seed + 1)
    for name in STUDENTS:
        student(temporary, name, texts, seed + 2)
    temporary.rename(folder)
    print(f"{folder}: {2 * traces} traces, {tasks} problems, {len(STUDENTS)} students")


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "rehearse",
        help="make the material of studies/rehearsal.yaml",
        description="Makes a small corpus, a benchmark and two students in the published schemas.",
    )
    parser.add_argument("folder", type=Path, help="results/rehearsal-material for the study file")
    parser.add_argument("--traces", type=int, default=600, help="problems of the corpus [600]")
    parser.add_argument("--tasks", type=int, default=24, help="problems of the benchmark [24]")
    parser.add_argument("--seed", type=int, default=61, help="of everything [61]")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Make the material; return the exit status."""
    make(options.folder, traces=options.traces, tasks=options.tasks, seed=options.seed)
    return 0
