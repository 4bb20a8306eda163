"""Several processes that train one model: who they are, and how its weights lie among them.

Weights, gradients and moments are sharded by PyTorch's own FSDP (`fully_shard`), block by block:
each process holds its part of every matrix, and a block's whole weights exist only while it is at
work. What a run learns does not depend on the number of processes, but for rounding: all know the
whole plan, and each takes its part of every update.
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class World:
    """The processes of a training.

    Attributes:
        rank: this process, from 0.
        size: how many there are.
        device: "cpu", or this process' GPU.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        return self.rank == 0

    def total(self, value: torch.Tensor) -> float:
        """Return the sum of a scalar over all processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value.item()

    def any(self, wish: bool) -> bool:
        """Tell whether any process wishes it: all get the same answer."""
        return wish if self.size == 1 else self.total(torch.tensor(int(wish)).to(self.device)) > 0

    def meet(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def leave(self) -> None:
        """End working together."""
        if self.size > 1:
            dist.destroy_process_group()


def join() -> World:
    """Return this process' world: alone, or with those that the launcher started beside it."""
    gpu = torch.cuda.is_available()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return World(device="cuda" if gpu else "cpu")
    device = "cpu"
    if gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo")
    return World(dist.get_rank(), dist.get_world_size(), device)


def place(learner, world: World, precision: str):
    """Bring a model to its device, sharded among the processes when there are several.

    Args:
        learner: `valley.lm.loss.Learner`, on the CPU.
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
    for block in blocks(learner):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    return fully_shard(learner, mesh=mesh, mp_policy=policy)


def blocks(learner) -> list:
    """Return the transformer blocks of a model, by the names that its class gives."""
    from valley.lm.loss import causal_model

    names = set(causal_model(learner.model)._no_split_modules or ())
    return [module for module in learner.modules() if type(module).__name__ in names]


def whole(value: torch.Tensor) -> torch.Tensor:
    """Return a value that lies in parts among the processes, whole; any other as it is."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def trained_weights(learner) -> dict:
    """Return the trained weights, whole and on the CPU, in the first process; {} in others."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    weights = get_model_state_dict(learner, options=options)
    return {name.removeprefix("model."): weight for name, weight in weights.items()}
