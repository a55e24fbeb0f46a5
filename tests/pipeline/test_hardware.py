import pytest
import torch

from pipeline.hardware import matrix_precision, use_hardware
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


@pytest.mark.parametrize(
    ("variable", "value"), [("SEQ2SUM_DEVICE", "toaster"), ("SEQ2SUM_THREADS", "0"), ("SEQ2SUM_THREADS", "two")]
)
def test_a_device_or_number_of_threads_that_is_none_is_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"{variable}={value}"):
        use_hardware()
