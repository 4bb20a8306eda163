"""How much arithmetic a training is, and which share of a chip's peak it reaches (MFU).

Plain numbers; imports nothing heavy. One multiplication and addition is two operations. A weight
matrix costs 2 operations a parameter and token forward and 4 backward: 6 in all, the usual
6 x parameters x tokens (Kaplan et al., 2020, section 2.1); a frozen one costs 4, since its own
gradient is never taken. Attention costs, beside its matrices, two products over all pairs of
positions that see each other, L²/2 for L tokens under a causal mask, forward once and backward
twice: 6 L² x width a layer. What is done twice to save memory counts once.
"""

from dataclasses import dataclass

FORWARD, BACKWARD = 2, 4
TRAINED = FORWARD + BACKWARD
FROZEN = FORWARD + BACKWARD // 2

# Peak of dense bf16 products in operations a second, by a part of the device's name; the
# manufacturers' data sheets, where the figures with sparsity are twice these.
PEAKS = {
    "GH200": 989e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10": 125e12,
    "4090": 165e12,
}


@dataclass(frozen=True)
class Shape:
    """A decoder's shape, of the Llama and Qwen2 families.

    Attributes:
        vocabulary: rows of the embedding.
        hidden: width.
        layers: number of blocks.
        heads, kv_heads: attention heads, and those of keys and values.
        head: width of a head.
        inner: width of the feed-forward part.
        tied: whether the output head is the embedding.
        biases: whether queries, keys and values have biases (Qwen2).
    """

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    tied: bool = False
    biases: bool = False

    @classmethod
    def scratch(cls, vocabulary: int, hidden: int, layers: int, heads: int) -> "Shape":
        """Return the shape of a student made from scratch."""
        inner = -(-8 * hidden // 3 // 32) * 32
        return cls(vocabulary, hidden, layers, heads, heads, hidden // heads, inner, tied=True)

    @classmethod
    def of(cls, config: dict) -> "Shape":
        """Return the shape in a model's config.json."""
        heads = config["num_attention_heads"]
        return cls(
            vocabulary=config["vocab_size"],
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head=config.get("head_dim") or config["hidden_size"] // heads,
            inner=config["intermediate_size"],
            tied=bool(config.get("tie_word_embeddings")),
            biases=config.get("model_type") == "qwen2",
        )

    def config(self) -> dict:
        """Return what `of` reads, as arguments of transformers' configurations."""
        return {
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "intermediate_size": self.inner,
            "tie_word_embeddings": self.tied,
        }

    @property
    def query(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head

    @property
    def keys(self) -> int:
        """Width of all keys together."""
        return self.kv_heads * self.head

    @property
    def block_matrices(self) -> int:
        """Parameters in one block's matrices."""
        return self.hidden * (2 * self.query + 2 * self.keys + 3 * self.inner)

    @property
    def block(self) -> int:
        """Parameters of one block."""
        biases = self.query + 2 * self.keys if self.biases else 0
        return self.block_matrices + biases + 2 * self.hidden

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and as many of the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters."""
        ends = self.embedding * (1 if self.tied else 2) + self.hidden
        return self.layers * self.block + ends

    def adapters(self, rank: int) -> int:
        """Return the parameters of adapters of a rank on every matrix of every block."""
        return (
            self.layers
            * rank
            * (
                2 * (self.hidden + self.query)
                + 2 * (self.hidden + self.keys)
                + 3 * (self.hidden + self.inner)
            )
        )


QWEN2_5_7B = Shape(152064, 3584, 28, 28, 4, 128, 18944, biases=True)
QWEN2_5_1_5B = Shape(151936, 1536, 28, 12, 2, 128, 8960, tied=True, biases=True)
LLAMA_3_1_8B = Shape(128256, 4096, 32, 32, 8, 128, 14336)
STUDENTS = {
    "Qwen2.5-7B": QWEN2_5_7B,
    "Qwen2.5-1.5B": QWEN2_5_1_5B,
    "Llama-3.1-8B": LLAMA_3_1_8B,
}


def quadratic(shape: Shape) -> float:
    """Return attention's work per squared token of an example, in the matrices' work per token."""
    matrices = shape.layers * shape.block_matrices
    return shape.layers * shape.query / matrices


def dense(parameters: float, tokens: float, lora: bool = False) -> float:
    """Return the operations of a training by its parameters and tokens alone: without attention."""
    return (FROZEN if lora else TRAINED) * parameters * tokens


def training(
    shape: Shape,
    tokens: float,
    squared_lengths: float,
    response_tokens: float | None = None,
    lora: bool = False,
) -> float:
    """Return the operations of a training's real work: no padding, nothing done twice.

    Args:
        shape: the model's.
        tokens: trained on, prompts included.
        squared_lengths: sum of the squares of the examples' lengths, each time one is seen.
        response_tokens: those whose logits are computed; None is all.
        lora: only adapters are trained (their own few operations are left out).
    """
    body = dense(shape.layers * shape.block_matrices, tokens, lora)
    head = dense(shape.embedding, tokens if response_tokens is None else response_tokens, lora)
    return body + head + 6 * shape.layers * shape.query * squared_lengths


def peak(device: str) -> float | None:
    """Return a device's peak in dense bf16 operations a second; None when it is not known."""
    return next((value for name, value in PEAKS.items() if name in device), None)


def utilisation(operations: float, seconds: float, device: str, devices: int = 1) -> float | None:
    """Return the share of the devices' peak that some work reached; None without a known peak."""
    most = peak(device)
    return operations / (seconds * most * devices) if most and seconds else None
