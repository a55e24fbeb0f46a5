import os
import subprocess
import sys

import pytest
import torch

from pipeline.hardware import busy_hint, matrix_precision, use_hardware
from seq2sum.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("avx512_f", torch.float32)],
)
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    assert matrix_precision("auto", CPU) == expected


def test_a_precision_that_is_named_is_taken():
    assert matrix_precision("float32", CPU) == torch.float32
    assert matrix_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(("threads", "load", "is_told"), [("2", 3.0, True), ("1", 3.0, False), ("2", 0.2, False)])
def test_threads_on_busy_cores_are_told(monkeypatch, threads, load, is_told):
    monkeypatch.setenv("SEQ2SUM_THREADS", threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    assert (busy_hint(CPU) is not None) == is_told


@pytest.mark.parametrize(
    ("variable", "value"), [("SEQ2SUM_DEVICE", "toaster"), ("SEQ2SUM_THREADS", "0"), ("SEQ2SUM_THREADS", "two")]
)
def test_a_device_or_number_of_threads_that_is_none_is_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"{variable}={value}"):
        use_hardware()


def test_a_device_that_is_not_there_names_one_that_is(monkeypatch):
    monkeypatch.setenv("SEQ2SUM_DEVICE", "toaster")
    with pytest.raises(UserError, match=r"Name one that is there \(cpu"):
        use_hardware()


@pytest.mark.parametrize(
    ("pages", "is_returned"),
    [("always [madvise] never", True), ("always madvise [never]", False), (None, False)],
)
def test_large_blocks_go_back_only_where_fresh_ones_come_in_huge_pages(tmp_path, pages, is_returned):
    """In a process of its own: what the allocator is told holds for all of one."""
    if pages is not None:
        (tmp_path / "enabled").write_text(pages)
    code = f"""
import os, torch
from pathlib import Path
from pipeline import hardware
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
hardware.HUGE_PAGES = Path({str(tmp_path / "enabled")!r})
hardware.use_hardware()
before = resident()
block = torch.ones(24 << 18)  # 24 MiB
held = resident() - before
del block
print(held, resident() - before, "THP_MEM_ALLOC_ENABLE" in os.environ)
"""
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    environment["SEQ2SUM_DEVICE"] = "cpu"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    held, kept, is_huge = done.stdout.split()
    assert int(held) >= 20
    assert (int(kept) < 8) == is_returned
    assert (is_huge == "True") == is_returned


@pytest.mark.parametrize(("own", "expected"), [("", "3"), ("2", "2")])
def test_the_tokenizer_gets_no_more_threads_than_the_rest_unless_told(own, expected):
    """In a process of its own: threads are set once in one."""
    code = (
        "import os; from pipeline.hardware import use_hardware; use_hardware(); print(os.environ['RAYON_NUM_THREADS'])"
    )
    kept = {name: value for name, value in os.environ.items() if name != "RAYON_NUM_THREADS"}
    environment = kept | {"SEQ2SUM_THREADS": "3", "SEQ2SUM_DEVICE": "cpu"} | ({"RAYON_NUM_THREADS": own} if own else {})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
