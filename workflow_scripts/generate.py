"""Let a checkpoint answer a benchmark's problems."""

import time
from pathlib import Path

from core.files import GENERATION, read_parquet, write_parquet
from core.seeds import derive


def generate(
    checkpoint: Path,
    benchmark: Path,
    out: Path,
    *,
    samples: int,
    temperature: float,
    top_p: float,
    max_tokens: int,
    batch_size: int,
    seed: int,
) -> dict:
    """Write the answers, ordered by problem and sample.

    Args:
        checkpoint: manifest of the model.
        benchmark: problems.
        out: generations to write.
        samples: answers per problem.
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        max_tokens: longest answer.
        batch_size: answers decoded side by side.
        seed: with the problem and the sample's number it seeds an answer: the same in all arms.

    Returns:
        Measurements for the sidecar.
    """
    import torch
    from lm import chat, sampler, students
    from tqdm import tqdm

    model, tokenizer = students.load(checkpoint)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    problems = sorted(
        read_parquet(benchmark, columns=["id", "statement"]), key=lambda row: row["id"]
    )
    asked = [
        (problem["id"], number, derive("sample", seed, problem["id"], number))
        for problem in problems
        for number in range(samples)
    ]
    prompts = {row["id"]: tuple(chat.prompt_ids(tokenizer, row["statement"])) for row in problems}
    begun = time.monotonic()
    with tqdm(total=len(asked), unit="answer", disable=None) as bar:
        answers = sampler.sample(
            model,
            [sampler.Request(prompts[problem], draw) for problem, _, draw in asked],
            end_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id or 0,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            batch_size=batch_size,
            progress=bar.update,
        )
    seconds = time.monotonic() - begun
    write_parquet(
        out,
        [
            {
                "problem_id": problem,
                "sample": number,
                "text": tokenizer.decode(answer.ids, skip_special_tokens=True),
                "finish_reason": answer.finish_reason,
                "tokens": len(answer.ids),
                "seed": draw,
            }
            for (problem, number, draw), answer in zip(asked, answers, strict=True)
        ],
        GENERATION,
    )
    tokens = sum(len(answer.ids) for answer in answers)
    return {
        "answers": len(answers),
        "tokens": tokens,
        "sample_seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


if "snakemake" in globals():
    from core.job import bind, settings

    with bind(snakemake, store=snakemake.params.store) as job:
        if not job.restored:
            job.measured |= generate(
                snakemake.input.checkpoint,
                snakemake.input.benchmark,
                snakemake.output[0],
                **settings(snakemake),
            )
