"""A model folder to ONNX: the encoder and one step of the decoder, for :mod:`seq2sum.portable`.

Shapes: S source positions, K beams, V pieces, F size of an encoder state, D decoder size.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from seq2sum.data.tokenizer import NUM_SPECIAL
from seq2sum.errors import UserError
from seq2sum.files import replaced_file, replaced_folder, write_text
from seq2sum.model.decoder import DecoderState, Memory
from seq2sum.model.summarizer import SummarizerModel, mix_with_copies
from seq2sum.portable import (
    ENCODER_FILE,
    FACTS_FILE,
    FORMAT,
    STATE_NAMES,
    STEP_FILE,
    TOKENIZER_FILE,
    WITHOUT,
    PortableFacts,
)
from seq2sum.scorer import can_be_generated
from seq2sum.summarize import Summarizer

OPSET = 18
# What the embeddings are called in the exported step.
EMBEDDING = "model.embedding.weight"
# Any document and beam do to trace the network with; a 1 would look like a size that never changes.
EXAMPLE_POSITIONS, EXAMPLE_BEAMS = 7, 3
EXPORTED = {ENCODER_FILE, STEP_FILE, TOKENIZER_FILE, FACTS_FILE}


class _Encode(nn.Module):
    """A document ``source_ids`` [1, S] → states [1, S, F], keys [1, S, *] and the decoder's first state."""

    def __init__(self, model: SummarizerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor) -> tuple[Tensor, ...]:
        is_real = torch.ones_like(source_ids, dtype=torch.bool)
        memory = self.model.encode(source_ids, is_real.sum(dim=1), is_real)
        return memory.states, memory.keys, *vars(self.model.decoder.initial_state(memory)).values()


class _Step(nn.Module):
    """The latest ids [1, K], the document and the decoder's state [1, K, D] × 4 → log probabilities [1, K, V] and the
    new state. What the search's shortlist leaves out is minus infinity unless it can be copied.
    """

    def __init__(self, model: SummarizerModel, shortlist: int) -> None:
        super().__init__()
        self.model = model
        self.left_out = ~can_be_generated(model, shortlist, range(NUM_SPECIAL))

    def forward(
        self, latest_ids: Tensor, source_ids: Tensor, states: Tensor, keys: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        is_real = torch.ones_like(source_ids, dtype=torch.bool)
        memory = Memory(states, keys, source_ids, is_real, final_hidden=states[:, 0])
        decoded, new = self.model.step(memory, DecoderState(*state), latest_ids)
        logits = self.model.logits(decoded.features[0]).masked_fill(self.left_out, -torch.inf)
        log_probs = torch.log_softmax(logits, dim=-1).unsqueeze(0)
        if self.model.params.copy_source:
            mix_with_copies(log_probs, source_ids, decoded)
        return log_probs, *vars(new).values()


def export(summarizer: Summarizer, folder: Path, quantize: bool = False) -> dict[str, object]:
    """Writes the folder that :class:`seq2sum.portable.PortableSummarizer` reads, whole or not at all.

    With ``quantize`` the output projection multiplies in 8-bit integers. Returns the search settings that the exported
    form does without. Raises UserError if the model has no search settings, if the packages for it are missing, or if
    ``folder`` holds anything but an earlier export: that would be lost.
    """
    if others := sorted({file.name for file in folder.glob("*")} - EXPORTED):
        raise UserError(f"{folder}: holds {', '.join(others[:3])}, which is no part of an export. Name a new folder.")
    if summarizer.search is None:
        raise UserError("the model has no search settings (search.json).")
    left_out = {name: value for name, value in summarizer.search if name in WITHOUT and value != WITHOUT[name]}
    search = summarizer.search.model_copy(update=WITHOUT)
    facts = PortableFacts(format=FORMAT, max_source_tokens=summarizer.max_source_tokens, search=search)
    with replaced_folder(folder) as beside:
        _export_network(summarizer.model, search.shortlist, beside)
        if quantize:
            _quantize_output(beside / STEP_FILE)
        summarizer.tokenizer.save(beside / TOKENIZER_FILE)
        write_text(beside / FACTS_FILE, facts.model_dump_json(indent=2) + "\n")
    return left_out


@torch.no_grad()
def _export_network(model: SummarizerModel, shortlist: int, folder: Path) -> None:
    source_ids = torch.arange(EXAMPLE_POSITIONS).unsqueeze(0)
    encoded = _Encode(model)(source_ids)
    _write(_Encode(model), (source_ids,), ("source_ids",), ("states", "keys", *STATE_NAMES), folder / ENCODER_FILE)
    state = tuple(values.repeat(1, EXAMPLE_BEAMS, 1) for values in encoded[2:])
    example = (torch.arange(EXAMPLE_BEAMS).unsqueeze(0), source_ids, *encoded[:2], *state)
    inputs = ("latest_ids", "source_ids", "states", "keys", *STATE_NAMES)
    outputs = ("log_probs", *(f"new_{name}" for name in STATE_NAMES))
    _write(_Step(model, shortlist), example, inputs, outputs, folder / STEP_FILE)


def _quantize_output(path: Path) -> None:
    """Gives the projection to the vocabulary 8-bit weights, with a scale for each piece, and has its inputs rounded so.

    All else stays as it is: there is next to nothing to gain.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # The embeddings are the projection's weights; no other product reads them.
    names = [node.name for node in onnx.load(path).graph.node if node.op_type == "Gemm" and EMBEDDING in node.input]
    with replaced_file(path) as beside:
        # A product with a bias is first split in two; the product then has this name.
        nodes = [f"{name}_MatMul" for name in names]
        quantize_dynamic(path, beside, nodes_to_quantize=nodes, per_channel=True, weight_type=QuantType.QInt8)


def _write(
    module: nn.Module, example: tuple[Tensor, ...], inputs: tuple[str, ...], outputs: tuple[str, ...], path: Path
) -> None:
    of_source = {"source_ids", "states", "keys"}
    axes = {name: {1: "positions" if name in of_source else "beams"} for name in (*inputs, *outputs)}
    with replaced_file(path) as beside, warnings.catch_warnings():
        # Of sizes that the trace takes for constants: here it is right to.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module.eval(), example, str(beside), input_names=inputs, output_names=outputs, dynamic_axes=axes,
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        except ImportError as error:
            raise UserError(f"{error}. Install what exporting needs: pip install 'seq2sum[export]'") from error
