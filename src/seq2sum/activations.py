"""What the gates of the LSTM that reads a document do at each of its pieces, by the readable reference."""

from dataclasses import fields

import torch
from torch import Tensor, nn

from seq2sum.data.batch import make_source
from seq2sum.errors import UserError
from seq2sum.model.cells import Activations, lstm_weights, run_lstm
from seq2sum.model.encoder import BiLSTMEncoder, OneDirectionEncoder
from seq2sum.summarize import Summarizer


@torch.no_grad()
def reading_activations(summarizer: Summarizer, document: str, *, reverse: bool = False) -> Activations:
    """The activations [S, H] of the encoder's first layer over the S pieces that the model reads.

    With ``reverse`` those of the LSTM that reads from the end. Raises UserError if the document has no text, or if no
    LSTM reads its pieces one by one in that direction.
    """
    model = summarizer.model
    ids = summarizer.tokenizer.encode(document.strip())[: summarizer.max_source_tokens]
    if not ids:
        raise UserError("The document has no text, so there is nothing to read.")
    lstm = _reader(summarizer, reverse)
    source = make_source([torch.tensor(ids).numpy()]).to(model.embedding.weight.device)
    inputs = model.embed(source.source_ids).transpose(0, 1)
    found = run_lstm(lstm_weights(lstm), inputs, reverse=reverse)
    return Activations(*(_of_row(getattr(found, field.name)) for field in fields(Activations)))


def _reader(summarizer: Summarizer, reverse: bool) -> nn.LSTM:
    encoder = summarizer.model.encoder
    lstm: nn.Module | None = None
    if isinstance(encoder, BiLSTMEncoder):
        lstm = (encoder.back if reverse else encoder.ahead)[0]
    elif isinstance(encoder, OneDirectionEncoder) and not reverse:
        lstm = encoder.layers[0]
    if not isinstance(lstm, nn.LSTM):
        kind, direction = summarizer.model.params.encoder, "back" if reverse else "ahead"
        raise UserError(f"An encoder of kind {kind} has no LSTM that reads the pieces {direction}.")
    return lstm


def _of_row(activations: Tensor) -> Tensor:
    return activations[:, 0].float().cpu()
