"""Which devices and precisions there are, and how to wait for them and to clean up after them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import DeviceError

if TYPE_CHECKING:
    import torch

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def available_devices() -> list[str]:
    """Every device torch can use here, the preferred one first."""
    import torch

    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """``auto`` takes cuda, then mps, then cpu. A device that is not there raises DeviceError; none is swapped in."""
    import torch

    found = available_devices()
    if str(name) == "auto":
        return torch.device(found[0])
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device must be auto, cuda, cuda:N, mps or cpu, got {name!r}.") from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda:0")
    if str(device) not in found:
        raise DeviceError(
            f"device {str(name)!r} is not there; this machine has: {', '.join(found)}. "
            f"Choose one of them, or 'auto' for the best of them."
        )
    return device


def usable_dtypes(device: torch.device) -> list[str]:
    """The precisions worth asking of a device: a CPU has no arithmetic in fp16, and many GPUs have none in bf16."""
    if device.type == "cpu":
        return ["fp32", "bf16"]
    if device.type == "mps":
        return ["fp32", "fp16"]
    import torch

    return ["fp32", "fp16", *(["bf16"] if torch.cuda.is_bf16_supported() else [])]


def resolve_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """``auto``: fp16 on cuda and mps, fp32 on the CPU. Others: fp32, fp16, bf16, or a torch dtype."""
    import torch

    if str(name) == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if isinstance(name, torch.dtype):
        dtype = name
    else:
        attribute = DTYPES.get(name, name)
        dtype = getattr(torch, attribute, None) if attribute in DTYPES.values() else None
        if dtype is None:
            raise DeviceError(f"dtype must be auto, {', '.join(DTYPES)}, got {name!r}.")
    if dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype}.")
    if dtype is torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DeviceError(f"{device} has no bf16; choose fp16 or fp32.")
    return dtype


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all that was asked of it, so that a clock tells the truth."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def release_memory(device: torch.device) -> None:
    """Gives cached blocks back to the device."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def readable(count: int) -> str:
    """``1.50 GiB``, ``20 MiB``."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def peak_memory(device: torch.device) -> int:
    """Bytes at the highest point so far: allocated on a GPU, resident in the whole process on the CPU.

    On MPS, which keeps no such mark, what its driver holds now.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # its ru_maxrss begins with that of the process that started this one
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak(device: torch.device) -> None:
    """Lets the high marks of an NVIDIA GPU's memory begin anew."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_reserved(device: torch.device) -> int:
    """As ``peak_memory``, with what torch holds of an NVIDIA GPU and does not use at the moment."""
    import torch

    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_memory(device)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Convolutions and matrix products in whole float32, not in TF32, which torch takes for convolutions on a GPU."""
    import torch

    switches: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


def machine() -> dict[str, str]:
    """System, processor, memory, threads and accelerator."""
    import psutil
    import torch

    about = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": f"{psutil.cpu_count(logical=False) or '?'} ({torch.get_num_threads()} threads used)",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }
    if torch.cuda.is_available():
        about["accelerator"] = torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        about["accelerator"] = "Apple GPU (MPS)"
    return about


def processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
