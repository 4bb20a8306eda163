"""A tiny student and texts, made on the spot for the tests of training and sampling."""

from valley.lm import students

TEXTS = [
    f"Read {a} numbers and print the sum plus {b}.\n<think>\nadd {b}, sum\n</think>\n"
    f"```python\na = list(map(int, input().split()))\nprint(sum(a) + {b})\n```\n"
    for a in range(2, 12)
    for b in range(10)
]


def tiny(seed: int = 0):
    """Return an untrained model of two small blocks and its tokenizer."""
    tokenizer = students.train_tokenizer(TEXTS, 400)
    model = students.create(tokenizer, hidden=32, layers=2, heads=2, positions=256, seed=seed)
    return model.eval(), tokenizer


def pool_rows(count: int) -> list[dict]:
    """Return pool rows of unlike lengths."""
    return [
        {
            "id": f"p{number}/t",
            "problem_id": f"p{number}",
            "prompt": f"Add {number}. " * (1 + number % 4),
            "response": "<think>\nadd\n</think>\n" + "a = a + 1\n" * (1 + number % 7),
            "difficulty": "easy",
            "correct": True,
            "teacher": "t",
            "tokens": 10,
            "source": "made",
        }
        for number in range(count)
    ]
