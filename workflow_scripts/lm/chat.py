"""From prompts and responses to token ids: what the student reads and what it is trained on."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        id: the pool row's id.
        ids: token ids of prompt, response and end of turn.
        prompt_tokens: how many of them belong to the prompt and carry no loss.
    """

    id: str
    ids: list[int]
    prompt_tokens: int


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """Return the ids of a user's turn, up to where the assistant begins to answer."""
    turn = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(
        turn, add_generation_prompt=True, tokenize=True, return_dict=False
    )


def encode(tokenizer, id: str, prompt: str, response: str) -> Example:
    """Encode an example; the loss covers exactly the response and the end-of-turn token."""
    start = prompt_ids(tokenizer, prompt)
    answer = tokenizer(response, add_special_tokens=False)["input_ids"]
    return Example(id, [*start, *answer, tokenizer.eos_token_id], len(start))


def fit_length(
    examples: list[Example], max_length: int, overlong: str
) -> tuple[list[Example], int]:
    """Apply the length policy.

    Args:
        examples: encoded examples.
        max_length: tokens at most, prompt included.
        overlong: "drop" leaves longer examples out, "cut" shortens them (they lose their end).

    Returns:
        The examples that stay, in order, and how many were dropped or cut.
    """
    too_long = sum(len(example.ids) > max_length for example in examples)
    if overlong == "drop":
        kept = [example for example in examples if len(example.ids) <= max_length]
    else:
        kept = [replace(example, ids=example.ids[:max_length]) for example in examples]
    return kept, too_long
