"""Answers by vLLM: one engine serves all of a checkpoint's benchmarks.

Prompts go in and answers come out as token ids: vLLM loads some tokenizers in a way of its own.
Every request has its own seed, so that a restart repeats no draw and changes none.
"""

import gc
import os
import time
from pathlib import Path

from valley.core.files import read_json
from valley.lm import devices
from valley.lm.engines.memory import adjusted, side_by_side
from valley.lm.preflight import shape_of
from valley.lm.requests import Answer, Finished, Request, Stopping, end_ids

# Before vLLM is imported. In one process: errors come as what they are, signals reach no worker,
# and starting takes a tenth of the time; the weights of several GPUs have processes all the same.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # jobs side by side would all be bound to one core
    "VLLM_NO_USAGE_STATS": "1",
    # Its warm-up would compile FlashInfer's sampler and die without nvcc; what has a seed, as all
    # requests here, is never drawn by it.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM has kernels for


class Engine:
    """A checkpoint, loaded to answer; see `valley.lm.requests` for the contract.

    The model is loaded when the first answers are asked for: by then it is known how long prompts
    are, and no memory is set aside for longer ones.

    Args:
        checkpoint: its manifest.
        precision: "fp32" or "bf16", of the weights.
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        stop: texts of tokens that end an answer, beside the model's own.
        vllm: `gpu_memory_utilization`, `max_num_seqs`, `enforce_eager`, as vLLM means them; the
            former two are changed, with a message, when memory does not suffice. On GPUs no more
            answers run at once than have room for their keys and values.
        gpus: GPUs to split the model over; without one vLLM's build for CPUs is used.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        precision: str,
        temperature: float,
        top_p: float,
        stop: list[str],
        vllm: dict,
        gpus: int = 0,
        **_others: object,
    ):
        from transformers import AutoConfig
        from valley.lm import students

        devices.require(gpus)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import vllm as library
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"sampling.engine is vllm, but this Python has no vLLM ({error}); "
                "docs/generation.md tells how to set it up, or choose engine: transformers"
            ) from error
        self._library = library
        described = read_json(checkpoint)
        source, revision = students.source_of(described, checkpoint)
        folder = Path(checkpoint).parent / students.FOLDER
        self._adapter, adapters = None, {}
        if "adapter" in described:
            self._adapter = library.lora.request.LoRARequest("adapter", 1, str(folder))
            rank = next(rank for rank in RANKS if rank >= described["adapter"]["rank"])
            adapters = {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank}
        self._tokenizer = students.tokenizer_of(described, checkpoint)
        config = AutoConfig.from_pretrained(source, revision=revision)
        check_heads(config, max(1, gpus))
        self._model = {
            "model": str(source),
            "revision": revision,
            "dtype": students.DTYPES[precision],
            "tensor_parallel_size": max(1, gpus),
            **adapters,
        }
        self._params = {
            "temperature": temperature,
            "top_p": top_p,
            "stop_token_ids": end_ids(self._tokenizer, _named_ends(source, revision, config), stop),
            "detokenize": False,
        }
        self._speed, self._gpus, self._config = dict(vllm), gpus, config
        self._llm, self._length = None, 0
        self.window = getattr(config, "max_position_embeddings", None)
        self.measured = {"vllm": self._speed, "engine_seconds": 0.0}

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a user's turn, up to where the answer begins."""
        from valley.lm import chat

        return tuple(chat.prompt_ids(self._tokenizer, text))

    def decode(self, ids: list[int]) -> str:
        """Return the text of an answer."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def answers(self, wanted: list[Request], stopping: Stopping) -> Finished:
        """Yield answers as they finish, those of one step of the engine together."""
        left = dict(enumerate(wanted))
        while left and not stopping():
            try:
                yield from self._answers(left, stopping)
            except Exception as error:
                # A scheduler's signal goes to the processes that hold the weights, too.
                if stopping():
                    return
                self.close()
                self._speed = adjusted(self._speed, error)
                self.measured["vllm"] = self._speed
                print(f"not enough memory ({error}): continuing with {self._speed}", flush=True)

    def _answers(self, left: dict[int, Request], stopping: Stopping) -> Finished:
        """Yield the answers to what is left, and take them out of it."""
        engine = self._started(max(len(r.prompt) + r.max_tokens for r in left.values()))
        for number, request in left.items():
            params = self._library.SamplingParams(
                seed=request.seed,
                max_tokens=request.max_tokens,
                output_kind=self._library.sampling_params.RequestOutputKind.FINAL_ONLY,
                **self._params,
            )
            ids = {"prompt_token_ids": list(request.prompt)}
            (prompt,) = engine.renderer.render_cmpl([ids])
            engine.add_request(str(number), prompt, params, lora_request=self._adapter)
        try:
            while engine.has_unfinished_requests() and not stopping():
                finished = [
                    (int(output.request_id), self._answer(output.outputs[0]))
                    for output in engine.step()
                    if output.finished
                ]
                if finished:
                    for number, _ in finished:
                        del left[number]
                    yield finished
        finally:
            engine.abort_request([str(number) for number in left])

    def _answer(self, output) -> Answer:
        ids = list(output.token_ids)
        if output.finish_reason == "stop" and ids[-1] in self._params["stop_token_ids"]:
            ids.pop()
        return Answer(ids, output.finish_reason)

    def _started(self, length: int):
        """Return the running engine, with room for so many tokens of prompt and answer."""
        if self._llm is None or self._length < length:
            self.close()
            begun = time.monotonic()
            self._speed = self._fitting(length)
            self.measured["vllm"] = self._speed
            # The CPU build cannot draw by a request's own seed after a prompt read in pieces.
            whole = {"enable_chunked_prefill": False, "max_num_batched_tokens": max(4096, length)}
            self._llm = self._library.LLM(
                max_model_len=length,
                skip_tokenizer_init=True,
                enable_prefix_caching=True,
                generation_config="vllm",
                **({} if self._gpus else whole),
                **self._model,
                **self._speed,
            )
            self._length = length
            self.measured["engine_seconds"] += time.monotonic() - begun
        return self._llm.llm_engine

    def _fitting(self, length: int) -> dict:
        """Return the settings with no more answers side by side than a GPU holds at that length."""
        if not self._gpus:
            return self._speed
        shape = shape_of(self._config)
        if shape is None:  # of a kind whose keys and values are not counted here
            return self._speed
        # By its driver, as vLLM asks: CUDA in use here would change how it starts its processes.
        from vllm.platforms import current_platform as card

        fit = side_by_side(
            shape,
            length,
            card.get_device_total_memory(),
            share=self._speed["gpu_memory_utilization"],
            width={"float32": 4, "bfloat16": 2}[self._model["dtype"]],
            gpus=self._gpus,
        )
        wanted = self._speed["max_num_seqs"]
        if fit >= wanted:
            return self._speed
        print(
            f"{card.get_device_name()} has room for the keys and values of {fit} answers of "
            f"{length} tokens: max_num_seqs is {fit}, not {wanted}, so that none is computed twice",
            flush=True,
        )
        return {**self._speed, "max_num_seqs": fit}

    def close(self) -> None:
        """Give back the device's memory."""
        if self._llm is not None:
            self._llm = None
        gc.collect()
        from vllm.distributed import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()


def check_heads(config, gpus: int) -> None:
    """Check that a model's attention heads can be divided among GPUs.

    Raises:
        RuntimeError: they can't; the message has the numbers that can.
    """
    heads = getattr(config.get_text_config(), "num_attention_heads", gpus)
    if heads % gpus:
        fitting = [str(number) for number in range(1, heads + 1) if heads % number == 0]
        raise RuntimeError(
            f"sampling.tensor_parallel: {gpus} does not divide the {heads} attention heads of "
            f"{config.name_or_path or config.model_type}; choose from: {', '.join(fitting)}"
        )


def _named_ends(source: str | Path, revision: str | None, config) -> int | list[int] | None:
    """Return the end tokens that a model's generation settings name, as transformers reads them."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(source, revision=revision).eos_token_id
    except OSError:  # it has none
        return config.eos_token_id
