"""How many answers fit the memory; what vLLM says when it is too small, and what to try then."""

from valley.lm.flops import Shape

# vLLM shares out the device's memory when it starts, and says in words what does not fit.
TAKEN = "is less than desired"  # others hold a part of the share that was to be set aside
# too little of that share is left for the answers' keys and values
LACKING = ("cache blocks", "available KV cache memory", "less than requested memory for kv")
MOST, STEP = 0.95, 0.05  # largest share of the memory, and how much it grows at least
LEAST_SEQUENCES = 4
WORKSPACE = 3e9  # bytes on each GPU for a step's activations, logits and CUDA graphs


def adjusted(speed: dict, error: Exception) -> dict:
    """Return the settings to try next: a share that is free, or fewer answers side by side.

    Args:
        speed: `max_num_seqs`, `gpu_memory_utilization`, and others, which stay.
        error: what vLLM raised.

    Raises:
        Exception: the error itself, when it is not about memory.
        RuntimeError: nothing is left to try; the message says what would help.
    """
    text, share = f"{type(error).__name__} {error}", speed["gpu_memory_utilization"]
    if TAKEN in text and share > STEP:
        return {**speed, "gpu_memory_utilization": round(share * 0.8, 3)}
    lacking = any(words in text for words in LACKING)
    if not lacking and "OutOfMemory" not in text and "out of memory" not in text:
        raise error
    if speed["max_num_seqs"] // 2 < LEAST_SEQUENCES:
        raise RuntimeError(
            f"the device's memory does not hold even {speed['max_num_seqs']} answers side by side: "
            "ask for a larger GPU or more of them, or lower sampling.max_tokens"
        ) from error
    fewer = {**speed, "max_num_seqs": speed["max_num_seqs"] // 2}
    if lacking and share < MOST:
        larger = min(MOST, max(share + STEP, 2 * share))
        fewer["gpu_memory_utilization"] = round(larger, 3)
    return fewer


def token_bytes(shape: Shape, width: int, gpus: int = 1) -> int:
    """Return the bytes of a token's keys and values on each GPU.

    Args:
        shape: the model's.
        width: bytes of a number.
        gpus: that share the model by its heads; a head is never split, so that more GPUs than heads
            of keys hold some of them twice.
    """
    return 2 * shape.layers * -(-shape.kv_heads // gpus) * shape.head * width


def side_by_side(
    shape: Shape, length: int, memory: float, *, share: float, width: int, gpus: int = 1
) -> int:
    """Return how many answers fit a GPU even when all grow to their full length; at least 1.

    With more, vLLM takes the keys and values of some answers away and computes them again later.

    Args:
        shape: the model's.
        length: tokens of the longest prompt and answer together.
        memory: bytes of a GPU.
        share: of it that vLLM takes.
        width: bytes of a weight, and of a number in keys and values.
        gpus: that share the model.
    """
    room = memory * share - WORKSPACE - shape.parameters * width / gpus
    return max(1, int(room // (length * token_bytes(shape, width, gpus))))
