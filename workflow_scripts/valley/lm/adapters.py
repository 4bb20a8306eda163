"""Low-rank adapters (peft): around a model, on quantized weights, and what is saved of them."""

from collections.abc import Callable


def with_lora(
    model,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: list[str] | str,
    tokens: list[int] | None = None,
    **_later: object,
):
    """Wrap a model so that only low-rank adapters are trained.

    Args:
        model: the model.
        rank, alpha, dropout, targets: see peft's LoraConfig.
        tokens: ids whose embeddings are trained too: those of new tokens, which no adapter reaches.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if getattr(model, "is_quantized", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    new = tokens or None
    if tokens and not model.config.tie_word_embeddings:
        new = {"embed_tokens": tokens, "lm_head": tokens}
    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=targets,
            trainable_token_indices=new,
            task_type="CAUSAL_LM",
        ),
    )


def quantization(bits: int):
    """Return how transformers loads weights in 4 bits (NF4, quantized twice) or 8.

    Raises:
        RuntimeError: it can't be done here; the message says what to do.
    """
    import torch
    from transformers import BitsAndBytesConfig

    from valley.lm.optim import needs_bitsandbytes

    needs_bitsandbytes(f"lora: {{bits: {bits}}}", "lora: {bits: null}")
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def whole_model(learner, lora: dict | None, world, reload_start: Callable | None):
    """Return the trained model as it is saved, in the first process; None in the others.

    Weights that are sharded, or adapters over quantized ones, are put into the start's plain model,
    made once more: merged into 4 bits, adapters would be rounded away.

    Args:
        learner: `valley.lm.loss.Learner`, trained.
        lora: the recipe's, or None.
        world: the processes; all of them call this together.
        reload_start: makes the start's plain model, as it was before training.
    """
    from valley.lm.parallel import trained_weights

    model = learner.model
    if world.size > 1 or (lora and lora.get("bits")):
        weights = trained_weights(learner)
        if not world.first:
            return None
        model, tokens = reload_start()
        if lora:
            model = with_lora(model, tokens=tokens, **lora)
        # The trained weights themselves where it is a skeleton: one copy in memory, not two.
        strange = model.load_state_dict(weights, strict=False, assign=not lora).unexpected_keys
        if strange:
            raise RuntimeError(f"trained weights that the start's model has not: {strange[:5]}")
        model.tie_weights()  # what is assigned weight by weight is tied no more
    return model.merge_and_unload() if lora and lora.get("merge", True) else model
