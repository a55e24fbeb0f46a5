"""Devices and threads: read from the environment, never part of a result's identity."""

import ctypes
import os
from pathlib import Path
from typing import Literal

import torch

from seq2sum.environment import whole_number
from seq2sum.errors import UserError

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more


def use_hardware() -> torch.device:
    """Sets PyTorch up as SEQ2SUM_DEVICE (cpu, cuda, cuda:1; default: a GPU if there is one) and SEQ2SUM_THREADS say.

    Of several processes that torchrun started each takes a GPU, or its part of the threads. Raises UserError for a
    device that is not there or a bad number of threads.
    """
    _arrange_large_blocks()
    name = os.environ.get("SEQ2SUM_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError) as error:
        what = str(error).splitlines()[0].rstrip(".")
        there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])
        raise UserError(
            f"SEQ2SUM_DEVICE={name}: not usable: {what}. Name one that is there ({there}), or unset it for the best "
            "of them."
        ) from error
    torch.set_num_threads(num_threads())
    os.environ.setdefault(
        "RAYON_NUM_THREADS", str(num_threads())
    )  # the tokenizer's threads, read when it is first used
    # oneDNN keeps the kernels of the last 1,024 shapes; batches hardly ever repeat one, so that only costs memory.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    return device


def num_threads() -> int:
    """SEQ2SUM_THREADS, or this process' part of the cores that it may use. Raises UserError for a bad number."""
    num_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return whole_number("SEQ2SUM_THREADS", max(1, len(os.sched_getaffinity(0)) // num_processes))


def busy_hint(device: torch.device) -> str | None:
    """What to do about a machine whose cores have other work: threads that wait for each other then cost tenfold."""
    num_cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if device.type != "cpu" or num_threads() == 1 or load < 0.75 * num_cores:
        return None
    return (
        f"{num_threads()} threads on {num_cores} cores that have other work (load {load:.1f}); "
        "if that stays so, SEQ2SUM_THREADS=1 is many times faster"
    )


def matrix_precision(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The type of matrix products: for auto bfloat16 where ``device`` multiplies it natively, else float32."""
    if precision == "auto":
        if device.type == "cuda":
            is_native = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            capabilities = torch.cpu.get_capabilities()
            is_native = device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
        precision = "bfloat16" if is_native else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _arrange_large_blocks() -> None:
    """Says what becomes of large blocks that are freed; a step of training frees hundreds of MB.

    Handing them back is what saves memory, but fresh pages have to be zeroed, 4 KiB with each fault. With huge ones, of
    2 MiB, that is cheap. Where the kernel has none, glibc keeps the blocks, for a tenth more speed.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    if _has_huge_pages():
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch reads it when it first allocates
        mmap_threshold, trim_threshold, top_pad = 8 << 20, 8 << 20, 1 << 20
    else:
        mmap_threshold, trim_threshold, top_pad = LARGEST_MMAP_THRESHOLD, 1 << 30, 64 << 20
    libc.mallopt(M_MMAP_THRESHOLD, mmap_threshold)
    libc.mallopt(M_TRIM_THRESHOLD, trim_threshold)
    libc.mallopt(M_TOP_PAD, top_pad)


def _has_huge_pages() -> bool:
    try:
        return "[never]" not in HUGE_PAGES.read_text(encoding="ascii")
    except OSError:
        return False
