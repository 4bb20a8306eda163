"""Training and generation on this machine's GPU, checked in ten minutes: a table of lines.

    make check-gpu [GPUS=8] [CHECK_PYTHON=/path/to/python]
    python tests/gpu/check_gpu.py --device cpu    (the same lines, tiny: for a look and for tests)

It needs PyTorch 2.11 or newer, transformers 5.17 or newer, peft and pyarrow, and this repository
with workflow_scripts, tests and tests/unit on PYTHONPATH (`make` sees to it); no network. Models
have the true architecture of Qwen2 and Llama with random weights, tokenizers are made on the spot.
A line is "passed" or "FAILED"; the exit status is 1 if any failed, 2 if there is no GPU to check.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT_S = 570  # no line begins later
LEAST = {"torch": (2, 11), "transformers": (5, 17)}
KINDS = ("qwen2", "llama")


def lines(setup, folder: Path, gpus: int) -> Iterator[tuple[str, str, Callable]]:
    """Yield lines: what is checked, the tolerance in words, and what returns (passed, figure)."""
    import trainings
    from comparing import apart, once, peak_against_estimate

    def scratch(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    def learning(kind, lora):
        def check():
            left, kernel = trainings.learns(scratch(f"{kind}-{lora}"), setup, kind, lora)
            return left < 0.9 and kernel == setup.packed, f"{left:.2f}, by {kernel}"

        return check

    def agreeing(kind, one, other):
        def check():
            loss, gradient = apart(once(setup, kind, **one), once(setup, kind, **other))
            close = loss <= setup.loss and gradient <= setup.gradient
            return close, f"loss {loss:.1e}, gradient {gradient:.1e}"

        return check

    for kind in KINDS:
        for lora in (False, True):
            way = "LoRA" if lora else "full"
            tolerance = f"held-out loss < 0.9 of the first, {setup.packed}"
            yield f"{kind}, {way}: trains", tolerance, learning(kind, lora)
    tolerance = f"loss {setup.loss:g}, gradient {setup.gradient:g}"
    ways = {
        f"{setup.packed} against {setup.plain}": ({}, {"kernel": setup.plain}),
        "packed against unpacked": ({}, {"row_tokens": 1}),
        "recomputed against not": ({"recomputed": True}, {}),
        "recomputed selectively against not": ({"recomputed": "selective"}, {}),
        "compiled against not": ({"compiled": True}, {}),
        "compiled, recomputed selectively": ({"compiled": True, "recomputed": "selective"}, {}),
    }
    for name, (one, other) in ways.items():
        for kind in KINDS:
            yield f"{kind}: {name}", tolerance, agreeing(kind, one, other)

    def resuming():
        apart, same = trainings.resumed(scratch("resume"), setup)
        equal = same if setup.device == "cpu" else apart <= 2 * setup.loss
        return equal, f"{apart:.1e}, {'the same' if same else 'other'} bytes"

    wanted = (
        "the same bytes"
        if setup.device == "cpu"
        else f"losses apart {2 * setup.loss:g} of the first"
    )
    yield "SIGTERM, and going on", wanted, resuming

    def poison():
        said = trainings.poisoned(scratch("poison"), setup)
        return "gradient" in said, said.partition(",")[0]

    yield "a gradient that is not finite", "stops, saves nothing, is named", poison
    for kind in KINDS:

        def answering(kind=kind):
            share = trainings.greedy(scratch(f"greedy-{kind}"), setup, kind)
            return share >= 0.95, f"{share:.0%}"

        yield f"{kind}: greedy answers are those of generate()", ">= 95%", answering
    if setup.device == "cuda":
        for length in (4096, 16384):
            for recomputed, lora in ((True, False), (False, False), (True, True)):

                def weighing(length=length, recomputed=recomputed, lora=lora):
                    peak, told = peak_against_estimate(length, recomputed, lora=lora)
                    return 0.8 <= peak / told <= 1.1, f"{peak / 1e9:.2f} of {told / 1e9:.2f} GB"

                way = f"{'LoRA' if lora else 'full'}{', recomputed' * recomputed}"
                name = f"memory against the estimate, {length} tokens, {way}"
                yield name, "0.8 to 1.1", weighing
    if gpus > 1:

        def sharing():
            apart = trainings.sharded(scratch("sharded"), setup, gpus)
            return apart <= 2 * setup.loss, f"{apart:.1e}"

        yield (
            f"{gpus} processes against one",
            f"losses apart {2 * setup.loss:g} of the first",
            sharing,
        )


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send what this process and those that it starts print to a file."""
    sys.stdout.flush(), sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        for own, number in zip(kept, (1, 2), strict=True):
            os.dup2(own, number), os.close(own)


def run(name: str, tolerance: str, check: Callable, log: Path, late: bool) -> bool:
    """Do one check and print its line; tell whether it passed. A failed one's output follows."""
    begun = time.monotonic()
    passed, figure = False, "not begun: the time is over"
    if not late:
        try:
            with quiet(log):
                passed, figure = check()
        except Exception as error:
            print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
            traceback.print_exc()
            figure = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
    took = time.monotonic() - begun
    verdict = "passed" if passed else "FAILED"
    print(f"| {verdict} | {name} | {figure} | {tolerance} | {took:.0f} s |", flush=True)
    return passed


def unusable(device: str, gpus: int) -> str | None:
    """Return in a line why nothing can be checked here; None if it can."""
    try:
        import torch
        import transformers
    except ImportError as error:
        return f"check-gpu needs PyTorch and transformers: {error}"
    for library in (torch, transformers):
        has = tuple(int(part) for part in library.__version__.split(".")[:2])
        if has < LEAST[library.__name__]:
            least = ".".join(map(str, LEAST[library.__name__]))
            return f"check-gpu needs {library.__name__} {least} or newer, not {library.__version__}"
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and found < gpus:
        return (
            f"check-gpu needs {gpus} CUDA GPU{'s' * (gpus > 1)}, and PyTorch {torch.__version__} "
            f"finds {found}; `--device cpu` runs the same lines in small on the CPU"
        )
    return None


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--gpus", type=int, default=1, help="processes that share a training")
    options = parser.parse_args()
    if options.device == "cpu":  # one core, as trainings that are started beside this process have
        os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if why := unusable(options.device, options.gpus):
        print(why, file=sys.stderr)
        return 2
    import torch
    import transformers
    from comparing import SETUPS

    name = torch.cuda.get_device_name() if options.device == "cuda" else "the CPU"
    print(f"{name}, PyTorch {torch.__version__}, transformers {transformers.__version__}\n")
    print("| | what | figure | tolerance | took |\n| --- | --- | --- | --- | ---: |", flush=True)
    begun, failed, count = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(SETUPS[options.device], Path(folder), options.gpus):
            log = Path(folder) / "log"
            failed += not run(*line, log, late=time.monotonic() - begun > LIMIT_S)
            count += 1
    print(f"\n{count - failed} of {count} passed in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
