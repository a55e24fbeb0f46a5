"""Params of networks of equal size that differ in their encoder."""

from typing import Any

from pipeline import paths
from pipeline.preset import overlay
from seq2sum.config import EncoderKind, Params, num_directions
from seq2sum.params_file import checked, parse_yaml
from study import settings
from study.settings import CorpusParams


def encoder_of_size(encoder: EncoderKind, state_size: int) -> dict[str, Any]:
    """The model's params that make ``encoder`` give states of ``state_size``, all directions together."""
    return {"encoder": encoder, "encoder_size": state_size // num_directions(encoder)}


def params_with(encoder: EncoderKind, params: CorpusParams) -> Params:
    """params.yaml with the study's budget and ``encoder``. Raises UserError for a key that params.yaml lacks."""
    document = parse_yaml(paths.PARAMS.read_text(encoding="utf-8"))
    for changes in (params.params, {"train": {"model": encoder_of_size(encoder, params.state_size)}}):
        overlay(document, changes, settings.PARAMS)
    return checked(document, settings.PARAMS, Params)
