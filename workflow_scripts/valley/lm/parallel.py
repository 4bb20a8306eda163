"""Several processes that train one model: their ranks, and how its weights are sharded.

Weights, gradients and moments are sharded by PyTorch's own FSDP (`fully_shard`), block by block:
each process holds its part of every matrix, and a block's whole weights exist only while it is at
work. What a run learns does not depend on the number of processes, but for rounding: all know the
whole plan, and each takes its part of every update.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from valley.lm.watchdog import Watchdog

TIMEOUT = 10.0  # minutes, where the study file says nothing
# The process group's own time-out, which knows no names, comes after the watch's.
LATER = 1.5
WRITING = timedelta(days=1)  # of processes that wait for each other's files; the watch sees to them


@dataclass(frozen=True)
class World:
    """The processes of a training.

    Attributes:
        rank: this process, from 0.
        size: how many there are.
        device: "cpu", or this process' GPU.
        cpu_group: group on processors, for what is said and written beside the training.
        watch: knows who hangs; None when there is one process.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    cpu_group: object = None
    watch: Watchdog | None = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def all_reduce_sum(self, value: torch.Tensor) -> float:
        """Return the sum of a scalar over all processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value.item()

    def all_reduce_any(self, *wishes: bool) -> list[bool]:
        """Tell for each wish whether any process has it: all get the same answers."""
        if self.size == 1:
            return list(wishes)
        wanted = torch.tensor([int(wish) for wish in wishes], device=self.device)
        dist.all_reduce(wanted)
        return [count > 0 for count in wanted.tolist()]

    def note(self, at: str | None = None) -> None:
        """Note, for those who watch, that this process has come further; where, in words."""
        if self.watch:
            self.watch.note(at)

    def first_then_others(self, at: str, make: Callable):
        """Return what `make` gives, called in the first process before it is in the others.

        Args:
            at: what it is, in words.
            make: called in each process.
        """
        return self.watch.first_then_others(at, make) if self.watch else make()

    def shutdown(self) -> None:
        """End working together."""
        if self.size > 1:
            self.watch.end()
            dist.destroy_process_group()


def join(
    timeout: float = TIMEOUT,
    report: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> World:
    """Return this process' world: alone, or with those that the launcher started beside it.

    Args:
        timeout: minutes without a sign of life after which a process hangs.
        report: gets the line that names it, before this process ends.

    Raises:
        RuntimeError: not all processes take part.
    """
    gpu = torch.cuda.is_available()
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(device="cuda" if gpu else "cpu")
    rank, device = int(os.environ["RANK"]), "cpu"
    watch = Watchdog(
        rank,
        size,
        address=os.environ["MASTER_ADDR"],
        port=int(os.environ["MASTER_PORT"]),
        timeout=60 * timeout,
        report=report,
    )
    if gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if gpu else "gloo",
        timeout=timedelta(minutes=LATER * timeout),
        device_id=torch.device(device) if gpu else None,
    )
    temporary = dist.new_group(backend="gloo", timeout=WRITING)
    world = World(rank, size, device, temporary, watch)
    _check(world, timedelta(minutes=LATER * timeout))
    return world


def _check(world: World, timeout: timedelta) -> None:
    """Check that all processes take part, each once, before anything is loaded.

    Raises:
        RuntimeError: one does not come, or its device's sums are wrong; the message names it.
    """
    world.note("the check at the start")
    dist.monitored_barrier(world.cpu_group, timeout, wait_all_ranks=True)
    came = torch.zeros(world.size, device=world.device)
    came[world.rank] = 1
    dist.all_reduce(came)
    odd = [rank for rank, count in enumerate(came.tolist()) if count != 1]
    if odd:
        raise RuntimeError(
            f"a sum over all processes is wrong, in the parts of {odd} of {world.size}: look at "
            "these GPUs and at the links between them (nvidia-smi, NCCL_DEBUG=INFO)"
        )


def shard_model(learner, world: World, precision: str):
    """Bring a model to its device, sharded among the processes when there are several.

    Args:
        learner: `valley.lm.loss.Learner`: in the first process with its weights, on the CPU; in
            others it may be a skeleton ("meta"), and gets its parts from the first.
        world: the processes.
        precision: with "bf16", weights travel and work in it; gradients are summed in fp32.
    """
    if world.size == 1:
        return learner.to(world.device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(world.device.partition(":")[0], (world.size,))
    working = torch.bfloat16 if precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=working, reduce_dtype=torch.float32)
    _tie_as_first(learner)
    for part in (*blocks(learner), learner):
        world.note("its weights")
        _receive(part, world)
        fully_shard(part, mesh=mesh, mp_policy=policy)
    return learner


def _tie_as_first(learner) -> None:
    """Tie head and embedding where the first process does, which alone has seen their values.

    A file may hold both: they are tied if they are equal, and a skeleton can't tell.
    """
    from valley.lm.loss import causal_model

    model = causal_model(learner.model)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = [head.weight is embedding.weight]
    dist.broadcast_object_list(tied, 0)
    if tied[0]:
        head.weight = embedding.weight
    elif head.weight is embedding.weight:
        head.weight = torch.nn.Parameter(
            torch.empty_like(head.weight), requires_grad=head.weight.requires_grad
        )


def _receive(part, world: World) -> None:
    """Bring a part's weights to the device, all from the first process, before they are sharded.

    So no process but the first ever holds more than one block whole.

    Args:
        part: a module; what is below it and sharded already is left alone.
        world: the processes.
    """
    from torch.distributed.tensor import DTensor

    filled = {}  # by identity, with what it was: some weights have two names
    for owner in part.modules():
        entries = [(owner._parameters, name) for name in owner._parameters]
        entries += [(owner._buffers, name) for name in owner._buffers]
        for table, name in entries:
            before = table[name]
            if before is None or isinstance(before, DTensor):
                continue
            if id(before) not in filled:
                filled[id(before)] = _from_first(before, world), before
            table[name], _ = filled[id(before)]


def _from_first(tensor: torch.Tensor, world: World) -> torch.Tensor:
    whole = tensor.detach()
    if whole.is_meta:
        whole = torch.empty_like(whole, device=world.device)
    whole = whole.to(world.device).contiguous()
    dist.broadcast(whole, 0)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(whole, requires_grad=tensor.requires_grad)
    return whole


def blocks(learner) -> list:
    """Return the transformer blocks of a model, by the names that its class gives."""
    from valley.lm.loss import causal_model

    names = set(causal_model(learner.model)._no_split_modules or ())
    return [module for module in learner.modules() if type(module).__name__ in names]


def full_tensor(value: torch.Tensor) -> torch.Tensor:
    """Return the full value of a sharded tensor; any other value as it is."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def trained_weights(learner) -> dict:
    """Return the full trained weights, on the CPU, in the first process; {} in others."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    weights = get_model_state_dict(learner, options=options)
    return {name.removeprefix("model."): weight for name, weight in weights.items()}
