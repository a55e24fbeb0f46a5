"""A trained model as a folder: weights (safetensors), how to build the network, and the tokenizer."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from seq2sum.config import ModelParams
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.model.tensor_file import write_tensors
from seq2sum.params_file import read_section
from seq2sum.section import Section

WEIGHTS_FILE = "model.safetensors"
MODEL_FILE = "model.json"
TOKENIZER_FILE = "tokenizer.json"
FORMAT = 1


class ModelFacts(Section):
    """What model.json says: how to build the network and how to cut its input."""

    format: int
    network: ModelParams
    vocab_size: int
    max_source_tokens: int


def save_model(folder: Path, model: SummarizerModel, tokenizer: Tokenizer, max_source_tokens: int) -> None:
    """Writes the files that :func:`load_model` reads, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS_FILE, model.state_dict())
    tokenizer.save(folder / TOKENIZER_FILE)
    facts = ModelFacts(
        format=FORMAT, network=model.params, vocab_size=len(model.output_bias), max_source_tokens=max_source_tokens
    )
    write_text(folder / MODEL_FILE, facts.model_dump_json(indent=2) + "\n")


def load_model(folder: Path) -> tuple[SummarizerModel, Tokenizer, int]:
    """Reads model, tokenizer and the number of source pieces that the model reads.

    Raises UserError naming the file that is missing, damaged or of another format.
    """
    facts = read_section(folder / MODEL_FILE, ModelFacts)
    if facts.format != FORMAT:
        raise UserError(f"{folder / MODEL_FILE}: format {facts.format}; this version reads format {FORMAT}.")
    model = SummarizerModel(facts.network, facts.vocab_size)
    weights = folder / WEIGHTS_FILE
    try:
        model.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{weights}: not the weights that {MODEL_FILE} describes: {error}") from error
    tokenizer = Tokenizer.load(folder / TOKENIZER_FILE)
    if tokenizer.vocab_size != facts.vocab_size:
        raise UserError(
            f"{folder / TOKENIZER_FILE}: {tokenizer.vocab_size} pieces, but {MODEL_FILE} says {facts.vocab_size}. "
            "They belong to different models."
        )
    return model, tokenizer, facts.max_source_tokens
