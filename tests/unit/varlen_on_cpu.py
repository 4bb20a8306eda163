"""A stand-in on the CPU for the kernel below PyTorch's packed attention.

Everything above the kernel is PyTorch's own: `varlen_attn`, its operators, their shapes for the
compiler and their gradients. The stand-in takes the kernel's place for CPU tensors, has its checks
(dtype, layout, head size, bounds), and computes exact attention, example by example. It refuses to
work outside of `pretended`, as the kernel refuses the CPU.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch.nn.attention import varlen
from valley.lm import attention

HALF = (torch.float16, torch.bfloat16)


class Kernel:
    """What the stand-in is at the moment, and what it has done.

    Attributes:
        on: whether there is a pretended card.
        dtypes: that it takes; the kernel's own are the two of half precision.
        forward, backward: calls so far.
        shapes: of the queries that it was given.
    """

    def __init__(self):
        self.on, self.dtypes, self.forward, self.backward = False, HALF, 0, 0
        self.shapes: set[tuple] = set()


KERNEL = Kernel()


@contextlib.contextmanager
def pretended(
    monkeypatch, *, exact: bool = False, capability: tuple[int, int] = (9, 0)
) -> Iterator[Kernel]:
    """Let trainings on the CPU find a card, with this kernel on it.

    Args:
        monkeypatch: pytest's.
        exact: take single and double precision too, to compare to the last digits.
        capability: of the card.
    """
    global KERNEL
    KERNEL = Kernel()
    KERNEL.on, KERNEL.dtypes = True, (*HALF, torch.float32, torch.float64) if exact else HALF
    with monkeypatch.context() as patch:
        patch.setattr(attention, "card_of", lambda device: attention.Card("a card", capability))
        yield KERNEL
    KERNEL = Kernel()


def _check(query, key, value, bounds, longest, window):
    total, heads, size = query.shape
    wrong = {
        "runs on CUDA only": not KERNEL.on,
        "only supports fp16 and bf16": query.dtype not in KERNEL.dtypes,
        "wants one dtype": not query.dtype == key.dtype == value.dtype,
        "wants a contiguous last dimension": any(t.stride(-1) != 1 for t in (query, key, value)),
        "wants a head size of a multiple of 8 up to 256": size % 8 or size > 256,
        "wants heads in whole groups": heads % key.shape[1],
        "wants keys and values alike": key.shape != value.shape or key.shape[::2] != (total, size),
        "wants int32 bounds": bounds.dtype != torch.int32 or not bounds.is_contiguous(),
        "wants bounds from 0 to the last token": bounds[0] != 0 or bounds[-1] != total,
        "wants bounds in order": (bounds.diff() < 0).any(),
        "wants the longest": int(bounds.diff().max()) > longest,
        "is tried with causal windows only": window[1] != 0,
    }
    if said := [what for what, is_wrong in wrong.items() if is_wrong]:
        raise RuntimeError(f"the stand-in {'; '.join(said)}")


def _parts(query, key, value, bounds, scale, window):
    """Yield each segment's queries, keys, values (heads, tokens, size) and probabilities."""
    precise = torch.promote_types(query.dtype, torch.float32)
    group = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(group, 1) for states in (key, value))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        q, k, v = (t[begin:end].transpose(0, 1).to(precise) for t in (query, key, value))
        seen = torch.ones(end - begin, end - begin, dtype=torch.bool).tril()
        if window[0] >= 0:
            seen = seen.triu(-window[0])
        scores = (q @ k.transpose(1, 2) * scale).masked_fill(~seen, -torch.inf)
        yield q, k, v, scores


@varlen._varlen_attn.register_kernel("cpu")
@torch.autocast("cpu", enabled=False)
def _forward(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal, *rest):
    scale, window, *_ = rest
    _check(query, key, value, cu_seq_q, max_q, window)
    KERNEL.forward += 1
    KERNEL.shapes.add(tuple(query.shape))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    mixed, sums = [], []
    for _, _, v, scores in _parts(query, key, value, cu_seq_q, scale, window):
        mixed.append((scores.softmax(-1) @ v).transpose(0, 1))
        sums.append(scores.logsumexp(-1))
    state = torch.zeros(2, dtype=torch.uint64)
    return torch.cat(mixed).to(query.dtype), torch.cat(sums, 1).float(), state


@varlen._varlen_attn_backward.register_kernel("cpu")
@torch.autocast("cpu", enabled=False)
def _backward(grad, query, key, value, out, sums, bounds, bounds_k, max_q, max_k, causal, *rest):
    _, scale, window = rest
    KERNEL.backward += 1
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    found = [[], [], []]
    at = 0
    for q, k, v, scores in _parts(query, key, value, bounds, scale, window):
        chances = scores.softmax(-1)
        wanted = grad[at : at + q.shape[1]].transpose(0, 1).to(q.dtype)
        at += q.shape[1]
        pulled = wanted @ v.transpose(1, 2)
        moved = chances * (pulled - (chances * pulled).sum(-1, keepdim=True)) * scale
        for parts, part in zip(
            found,
            (moved @ k, moved.transpose(1, 2) @ q, chances.transpose(1, 2) @ wanted),
            strict=True,
        ):
            parts.append(part.transpose(0, 1))
    whole = [torch.cat(parts) for parts in found]
    grouped = [one.view(len(one), key.shape[1], -1, one.shape[-1]).sum(2) for one in whole[1:]]
    return tuple(one.to(query.dtype).contiguous() for one in (whole[0], *grouped))
