import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.decoding.hypothesis import length_penalty
from seq2sum.errors import UserError
from seq2sum.service.requests import MOST_OF_SETTING, check_documents, requested_search
from tests.decoding.tables import search_params

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)


@given(st.lists(TEXT, max_size=5))
def test_texts_pass_as_they_are(documents: list[str]) -> None:
    assert check_documents(documents) == documents


def test_white_space_is_no_control_character() -> None:
    assert check_documents(["a\tb\r\nc\x0b\x0cd\u2028e"])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", r"the document is empty\."),
        (" \n\t", r"the document is empty\."),
        (None, r"there is no document \(null\)"),
        (float("nan"), r"there is no document \(null\)"),
        (3, "the document is a number, not text"),
        (["secret"], "the document is a list, not text"),
        (b"secret", "the document is of type bytes, not text"),
        ("secret\x00", r"control character U\+0000 at 6"),
        ("secret \x1b[2J", r"control character U\+001B at 7"),
        ("secret \ud800", r"control character U\+D800 at 7"),
        ("secret" * 200_000, "1,200,000 characters; at most 1,000,000"),
    ],
)
def test_what_is_no_text_is_named_by_its_row_and_not_quoted(document: object, message: str) -> None:
    with pytest.raises(UserError, match=rf"Row 1: .*{message}") as error:
        check_documents(["a text", document])
    assert "secret" not in str(error.value)


def test_the_number_of_rows_is_bounded_and_the_bounds_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="10,000 rows; at most 1,000"):
        check_documents(["text"] * 10_000)
    monkeypatch.setenv("SEQ2SUM_MAX_ROWS", "10000")
    monkeypatch.setenv("SEQ2SUM_MAX_CHARACTERS", "3")
    with pytest.raises(UserError, match="Row 0: a document of 4 characters"):
        check_documents(["text"] * 10_000)
    monkeypatch.setenv("SEQ2SUM_MAX_ROWS", "many")
    with pytest.raises(UserError, match="SEQ2SUM_MAX_ROWS=many"):
        check_documents([])


def test_a_request_may_ask_for_the_bounds_and_names_each_setting_beyond_them() -> None:
    own = search_params()
    assert requested_search(own, MOST_OF_SETTING).model_dump() == own.model_dump() | MOST_OF_SETTING
    beyond = {name: most + 1 for name, most in MOST_OF_SETTING.items()}
    with pytest.raises(UserError) as error:
        requested_search(own, beyond)
    for name, most in MOST_OF_SETTING.items():
        assert f"{name}: {most + 1:,} is more than a request may ask for; at most {most:,}." in str(error.value)


def test_a_models_own_settings_are_never_too_much() -> None:
    own = search_params(beam_size=100, risk_samples=300)
    assert requested_search(own, {"beam_size": 100, "max_tokens": 9}) == own.model_copy(update={"max_tokens": 9})
    with pytest.raises(UserError, match=r"beam_size: 101 .* at most 100"):
        requested_search(own, {"beam_size": 101})


@pytest.mark.parametrize("value", [1e308, float("inf"), float("nan")])
def test_no_power_of_a_penalty_overflows(value: float) -> None:
    with pytest.raises(UserError, match="length_penalty"):
        requested_search(search_params(), {"length_penalty": value})
    length_penalty(MOST_OF_SETTING["max_tokens"] + 1, MOST_OF_SETTING["length_penalty"])
