import pytest

from pipeline.flows.summarize import summarize
from pipeline.flows.train import MOST_STARTS
from seq2sum.errors import UserError


def test_a_batch_that_kills_its_process_is_not_started_for_ever(monkeypatch):
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__RUN_COUNT", str(MOST_STARTS + 1))
    with pytest.raises(UserError, match=f"lost {MOST_STARTS} times"):
        summarize.fn("documents", "summaries")
