"""What vLLM says when memory does not suffice, and what to try then."""

# vLLM shares out the device's memory when it starts, and says in words what does not fit.
TAKEN = "is less than desired"  # others hold a part of the share that was to be set aside
# too little of that share is left for the answers' keys and values
LACKING = ("cache blocks", "available KV cache memory", "less than requested memory for kv")
MOST, STEP = 0.95, 0.05  # largest share of the memory, and how much it grows at least
LEAST_SEQUENCES = 4


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
