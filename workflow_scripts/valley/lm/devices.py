"""The GPUs of a job: asked for, and found.

A job that holds GPUs and works on the CPU would do so without a word until its time limit. Where
GPUs are only rehearsed, such as in tests of a scheduler, `VALLEY_REHEARSE_GPUS=1` says so: jobs
then take the GPUs that they find, or the CPU.
"""

import os
import re
from pathlib import Path

REHEARSAL = "VALLEY_REHEARSE_GPUS"
DRIVER = Path("/proc/driver/nvidia/version")


def rehearsed() -> bool:
    """Tell whether GPUs that jobs hold need not be there."""
    return os.environ.get(REHEARSAL) == "1"


def require(gpus: int) -> None:
    """Check that this machine has the GPUs that a job asked for.

    Args:
        gpus: of this machine; 0 is a job on cores.

    Raises:
        RuntimeError: there are fewer; the message has both numbers, and why that may be.
    """
    if not rehearsed() and (why := lacking(gpus)):
        raise RuntimeError(why)


def lacking(gpus: int) -> str | None:
    """Return how many of the GPUs that a job asked for CUDA can use, and why not all.

    Args:
        gpus: of this machine; 0 is a job on cores.

    Returns:
        None if all are there, rehearsal or not.
    """
    if not gpus:
        return None
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found >= gpus:
        return None
    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = "" if visible is None else f", CUDA_VISIBLE_DEVICES={visible!r}"
    return (
        f"this job asked for {gpus} GPU{'s' * (gpus > 1)} here and finds {found} that CUDA can "
        f"use (PyTorch {torch.__version__} built {built}, NVIDIA driver {driver() or 'none'}"
        f"{shown}). Install a PyTorch whose CUDA the driver knows, or ask for as many GPUs as "
        "there are (`gpus` in the study file; 0 works on cores)"
    )


def driver() -> str | None:
    """Return the version of the NVIDIA driver; None without one."""
    try:
        found = re.search(r"(\d+\.\d+[.\d]*)", DRIVER.read_text())
    except OSError:
        return None
    return found and found[1]


def multiplies_bf16() -> bool:
    """Tell whether matrix products in bf16 are the faster ones on this machine's cores.

    On x86 they are with matrix units (AMX) only: without, single precision took 0.56 of their time.
    """
    import torch

    able = torch.cpu.get_capabilities()
    return able.get("architecture") not in ("x86", "x86_64") or bool(able.get("amx_bf16"))


def kernels() -> dict:
    """Return what does the arithmetic on cores: other processors round otherwise.

    Returns:
        vectors: the instructions that PyTorch's own kernels were chosen by.
        onednn: whether its matrix products are used; amx: whether this processor has matrix units.
        threads: of one operation.
    """
    import torch

    return {
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available() and bool(torch.backends.mkldnn.enabled),
        "amx": bool(torch.cpu.get_capabilities().get("amx_tile")),
        "threads": torch.get_num_threads(),
    }
