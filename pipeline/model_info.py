"""What a model is, told from its files alone."""

import math
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.named_model import NamedModel
from pipeline.terminal import columns
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.model.folder import MODEL_FILE, WEIGHTS_FILE, ModelFacts
from seq2sum.params_file import read_section
from seq2sum.summarize import SEARCH_FILE


def model_info(named: NamedModel) -> dict[str, Any]:
    """Network, sizes and settings; for a registered version its number, aliases and scores too.

    Raises UserError naming the file that is missing or damaged.
    """
    facts = read_section(named.folder / MODEL_FILE, ModelFacts)
    weights = named.folder / WEIGHTS_FILE
    try:
        with safe_open(weights, framework="numpy") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(f"{weights}: not readable as weights: {error}. Take the whole model folder.") from error
    search = named.folder / SEARCH_FILE
    found: dict[str, Any] = {
        "model": named.name,
        "num_parameters": sum(math.prod(shape) for shape in shapes),
        "weight_bytes": weights.stat().st_size,
        "vocab_size": facts.vocab_size,
        "max_source_tokens": facts.max_source_tokens,
        "network": facts.network.model_dump(),
        "search": read_section(search, SearchParams).model_dump() if search.exists() else None,
    }
    if named.version is not None:
        tags = named.version.tags
        found["registered"] = {
            "name": named.version.name,
            "version": named.version.number,
            "aliases": list(named.version.aliases),
            "scores": {kind: float(tags[kind]) for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum") if kind in tags},
            "signature": tags.get("metric_signature"),
            "commit": tags.get("git_sha"),
            "uncommitted_changes": tags.get("git_dirty") == "true",
            "changed_params": tags.get("params_changed") == "true",
        }
    return found


def info_text(found: dict[str, Any]) -> str:
    """The same in lines for people."""
    rows = [
        ("model", found["model"]),
        ("parameters", f"{found['num_parameters']:,} ({found['weight_bytes'] / 1e6:.1f} MB)"),
        ("vocabulary", f"{found['vocab_size']:,} pieces"),
        ("reads", f"up to {found['max_source_tokens']:,} pieces of a document"),
        ("network", _settings(found["network"])),
        ("search", _settings(found["search"]) if found["search"] else "no settings: not evaluated yet"),
    ]
    if "registered" in found:
        registered = found["registered"]
        scores = ", ".join(f"{kind} {value:.2f}" for kind, value in registered["scores"].items()) or "none"
        aliases = ", ".join(registered["aliases"]) or "no alias"
        changed = " + uncommitted changes" if registered["uncommitted_changes"] else ""
        changed += " + changed params" if registered["changed_params"] else ""
        rows += [
            ("registered", f"{registered['name']} version {registered['version']} ({aliases})"),
            ("scores", f"{scores} · {registered['signature'] or 'no signature'}"),
            ("commit", (registered["commit"] or "not in a git repository") + changed),
        ]
    return columns(rows)


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {str(value).lower() if isinstance(value, bool) else value}" for key, value in values.items()
    )
