import pytest
import torch

from seq2sum.activations import reading_activations
from seq2sum.errors import UserError
from tests.test_explain import TEXTS, make_summarizer


@pytest.mark.parametrize(("encoder", "directions"), [("bilstm", [False, True]), ("lstm", [False])])
def test_the_gates_are_those_that_make_the_encoders_states(encoder: str, directions: list[bool]) -> None:
    summarizer = make_summarizer(encoder=encoder)
    model = summarizer.model
    ids = summarizer.tokenizer.encode(TEXTS[1])
    with torch.no_grad():
        memory = model.encode(torch.tensor([ids]), torch.tensor([len(ids)]), torch.ones(1, len(ids)).bool())
    size = model.params.encoder_size
    for number, reverse in enumerate(directions):
        found = reading_activations(summarizer, f"  {TEXTS[1]} \n", reverse=reverse)
        torch.testing.assert_close(found.hidden, memory.states[0][:, number * size : (number + 1) * size])
        torch.testing.assert_close(found.hidden, found.output * torch.tanh(found.cell))


def test_what_has_no_such_lstm_or_no_text_is_told() -> None:
    with pytest.raises(UserError, match="kind feedforward has no LSTM"):
        reading_activations(make_summarizer(encoder="feedforward"), TEXTS[1])
    with pytest.raises(UserError, match="kind lstm has no LSTM that reads the pieces back"):
        reading_activations(make_summarizer(encoder="lstm"), TEXTS[1], reverse=True)
    with pytest.raises(UserError, match="no text"):
        reading_activations(make_summarizer(), " \n")
