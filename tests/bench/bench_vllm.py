"""What `generate` costs beside vLLM's own `LLM.generate`, on one running engine.

    make bench-vllm                               (in the environment of `make test-vllm`)
    PYTHONPATH=workflow_scripts:tests/unit:tests/with_vllm python tests/bench/bench_vllm.py \
        --gpus 1 --checkpoint results/…/students/qwen/checkpoint.json

Two measures. *Share*: within a run of ours, the time spent outside of what `LLM.generate` calls,
too, over the time spent there; load slows both alike. *Ratio*: the time of ours over that of
`LLM.generate`, run in turns; it means little while the machine does other work. `LLM.generate`
without seeds tells what a seed for each request costs.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from generate import answer, benchmark_questions
from material import GREEDY, PROMPTS, SMALL, benchmark, student
from tqdm import tqdm
from valley.core.sampling import Sampling
from valley.lm.answer_cache import AnswerCache, cache_of_checkpoint
from valley.lm.engines import with_vllm

CHOSEN = {"engine": "vllm", "max_tokens": 180, **GREEDY, "temperature": 0.8}
# A full-size student on GPUs.
LARGE = {"gpu_memory_utilization": 0.9, "max_num_seqs": 256, "enforce_eager": False}
LARGE_CHOSEN = {
    **CHOSEN,
    "max_tokens": 2048,
    "precision": "bf16",
    "temperature": 0.6,
    "top_p": 0.95,
}


class Overhead:
    """Both ways of having the same questions answered by one engine, and their times.

    Args:
        engine: of `valley.lm.engines.with_vllm`.
        checkpoint: its manifest.
        folder: for problems and books.
        prompts, samples: what is asked.
        chosen: the engine's settings, and the longest answer.
    """

    def __init__(
        self, engine, checkpoint: Path, folder: Path, prompts: int, samples: int, chosen=CHOSEN
    ):
        self.engine, self.checkpoint, self.folder = engine, checkpoint, folder
        self.chosen = chosen
        problems = benchmark(folder / "problems.parquet", PROMPTS[:prompts])
        self.questions = benchmark_questions(problems, Sampling(samples=samples))
        longest = max(len(engine.encode(question.prompt)) for question in self.questions)
        engine._started(longest + chosen["max_tokens"])
        self._runs = 0

    def bare(self, seeds: bool = True) -> float:
        """Return the seconds of `LLM.generate`, prompts as token ids."""
        encoded = {q.prompt: list(self.engine.encode(q.prompt)) for q in self.questions}
        prompts = [{"prompt_token_ids": encoded[q.prompt]} for q in self.questions]
        begun = time.perf_counter()
        params = [
            self.engine._library.SamplingParams(
                seed=question.seed if seeds else None,
                max_tokens=self.chosen["max_tokens"],
                **self.engine._params,
            )
            for question in self.questions
        ]
        self.engine._llm.generate(prompts, params, use_tqdm=False)
        return time.perf_counter() - begun

    def ours(self) -> Counter:
        """Return the seconds of `generate.answer` by what they were spent on; "" is all of them."""
        self._runs += 1
        cache = cache_of_checkpoint(
            self.checkpoint, self.folder / str(self._runs), {"seed": 0, **self.chosen}
        )
        seconds, engine = Counter(), self.engine._llm.llm_engine
        with (
            mock.patch.object(with_vllm, "Engine", lambda *_, **__: self.engine),
            timed(seconds, "vLLM", engine, "step"),
            timed(seconds, "vLLM", engine, "add_request"),
            timed(seconds, "vLLM", engine.renderer, "render_cmpl"),
            timed(seconds, "prompts", self.engine, "encode"),
            timed(seconds, "decoding", self.engine, "decode"),
            timed(seconds, "saving", AnswerCache, "write"),
        ):
            begun = time.perf_counter()
            answer(self.checkpoint, [self.questions], cache, Sampling(**self.chosen, chunk=40))
            seconds[""] = time.perf_counter() - begun
        return seconds


def timed(seconds: Counter, name: str, owner: object, method: str):
    """Patch a method so that its time is counted under a name."""
    inner = getattr(owner, method)

    def timing(*arguments, **named):
        begun = time.perf_counter()
        try:
            return inner(*arguments, **named)
        finally:
            seconds[name] += time.perf_counter() - begun

    return mock.patch.object(owner, method, timing)


def share(seconds: Counter) -> float:
    """Return what ours adds, as a share of what vLLM's own calls take."""
    return seconds[""] / seconds["vLLM"] - 1


def spread(values: Iterable[float]) -> str:
    """Return median and range, for people."""
    values = list(values)
    return f"{statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--checkpoint", type=Path, help="manifest; by default a tiny student's")
    parser.add_argument("--gpus", type=int, default=0)
    options = parser.parse_args()
    chosen, speed = (LARGE_CHOSEN, LARGE) if options.gpus else (CHOSEN, SMALL)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        checkpoint = options.checkpoint or student(folder)
        asked = {name: chosen[name] for name in GREEDY}
        engine = with_vllm.Engine(checkpoint, vllm=speed, gpus=options.gpus, **asked)
        both = Overhead(engine, checkpoint, folder, options.prompts, options.samples, chosen)
        both.bare(), both.ours()
        rounds = []
        for _ in tqdm(range(options.rounds), unit="round"):
            rounds.append((both.bare(), both.ours(), both.bare(False)))
        engine.close()
    ours = [own for _, own, _ in rounds]
    print(
        f"{options.rounds} rounds of {options.prompts} x {options.samples} answers; median (range)"
    )
    print(f"LLM.generate, seconds: {spread(base for base, _, _ in rounds)}")
    print(f"ours / LLM.generate: {spread(own[''] / base for base, own, _ in rounds)}")
    print(f"LLM.generate with / without seeds: {spread(base / free for base, _, free in rounds)}")
    print(f"ours, beside vLLM's own time: {spread(map(share, ours))}")
    for name in ("prompts", "decoding", "saving"):
        print(f"  {name}: {spread(own[name] / own['vLLM'] for own in ours)}")


if __name__ == "__main__":
    main()
