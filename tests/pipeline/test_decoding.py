"""Versions' own code in processes of their own: stand-ins for a version's package, good and bad."""

from pathlib import Path

import pytest

from pipeline.decoding import decoder
from seq2sum.errors import UserError

CODE = """
class Summary:
    def __init__(self, text): self.text = text
class Summarizer:
    search = "settings"
    @classmethod
    def load(cls, folder, device):
        if folder.name == "of-another-format": raise ValueError("format 9")
        return cls()
    def summarize(self, documents, search):
        if "a bad one" in documents: raise RuntimeError("cannot read it")
        return [Summary(document.upper()) for document in documents]
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "code/seq2sum").mkdir(parents=True)
    (tmp_path / "code/seq2sum/summarize.py").write_text(CODE)
    return tmp_path / "code"


def test_two_versions_stay_ready_and_answer_in_turns(code: Path) -> None:
    with decoder(code, Path("one")) as one, decoder(code, Path("other")) as other:
        assert one(["ä\u2028line\nbreak", "b"]).summaries == ["Ä\u2028LINE\nBREAK", "B"]
        assert other([]).summaries == []
        assert one(["c"]).seconds >= 0


def test_code_that_fails_is_told_with_its_reason_and_a_document_of_any_size(code: Path) -> None:
    told = "its own code does not summarize with it"
    with decoder(code, Path("of-another-format")) as decode:
        for _ in range(2):
            with pytest.raises(UserError, match=f"of-another-format: {told}: ValueError: format 9"):
                decode(["a" * 1_000_000])
    with decoder(code, Path("model")) as decode:
        assert decode(["a good one"]).summaries == ["A GOOD ONE"]
        with pytest.raises(UserError, match=f"model: {told}: RuntimeError: cannot read it"):
            decode(["a bad one"])
