"""Answers by transformers: runs wherever PyTorch does, on the CPU or one GPU."""

from pathlib import Path

from valley.lm import devices, requests
from valley.lm.requests import Finished, Request, Stopping


class Engine:
    """A checkpoint, loaded to answer; see `valley.lm.requests` for the contract.

    Args:
        checkpoint: its manifest.
        precision: "fp32" or "bf16", of the weights.
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        stop: texts of tokens that end an answer, beside the model's own.
        batch_size: answers decoded side by side.
        group: answers that come together; at least `batch_size` do.
        gpus: that the job holds: one, or none for the CPU.

    Raises:
        RuntimeError: the job holds more GPUs than this engine uses, or one that is not there.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        precision: str,
        temperature: float,
        top_p: float,
        stop: list[str],
        batch_size: int,
        group: int = 0,
        gpus: int = 0,
        **_others: object,
    ):
        import torch
        from valley.lm import slots, students

        if gpus > 1:
            raise RuntimeError(
                f"this job holds {gpus} GPUs, and engine: transformers uses one; ask for one "
                "(`gpus: 1` in the study file), or choose engine: vllm"
            )
        devices.require(gpus)
        self._model, self._tokenizer = students.load(checkpoint, dtype=students.DTYPES[precision])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu" and precision == "bf16" and not devices.multiplies_bf16():
            self._model.float()  # the weights stay what they are; sums are in single precision
        self._model.to(device).eval()
        slots.group_heads(self._model)
        self._settings = {
            "end_ids": requests.end_ids(
                self._tokenizer, self._model.generation_config.eos_token_id, stop
            ),
            "pad_id": self._tokenizer.pad_token_id or 0,
            "temperature": temperature,
            "top_p": top_p,
            "batch_size": batch_size,
            "group": group,
        }
        self.window = getattr(self._model.config, "max_position_embeddings", None)
        self.measured = {
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "kernels": devices.kernels(),
            "batch_size": batch_size,
        }

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a user's turn, up to where the answer begins."""
        from valley.lm import chat

        return tuple(chat.prompt_ids(self._tokenizer, text))

    def decode(self, ids: list[int]) -> str:
        """Return the text of an answer."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def answers(self, wanted: list[Request], stopping: Stopping) -> Finished:
        """Yield answers, a group at a time."""
        from valley.lm import sampler

        yield from sampler.sample(self._model, wanted, stopping=stopping, **self._settings)
