"""Writing pairs as piece ids through ``datasets``; :mod:`seq2sum.data.encoded` reads them."""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seq2sum.data.encoded import COLUMNS, INFO, VERSION, EncodedPairs
from seq2sum.data.pairs import count_pairs
from seq2sum.data.pretraining import gap_sentences
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.data.word_vectors import read_piece_vectors
from seq2sum.data_config import EncodeParams
from seq2sum.errors import UserError
from seq2sum.files import write_json

Rows = dict[str, list[str]]

_BATCH_PAIRS = 1000
# Starting workers takes about as long as one process with threads takes for some thousand pairs.
PAIRS_PER_WORKER = 20_000
_UNCUT_COLUMNS = ["num_source_tokens", "num_target_tokens"]


def encode_pairs(
    tables: Mapping[str, Path], tokenizer: Tokenizer, params: EncodeParams, folder: Path, num_workers: int
) -> dict[str, Any]:
    """Encodes each split's table of pairs into the empty ``folder``, with an ``info.json``, which is also returned.

    If the params ask for it, the split `pretrain` holds exercises made of train's documents, and a file the vectors
    from which the embeddings start.

    Memory does not grow with the corpus. Up to ``num_workers`` processes share the work where there is much of it; what
    is written does not depend on them. The info's ``digest`` is the SHA-256 of all ids, lengths and vectors in order.
    Raises UserError if a table is missing or damaged.
    """
    digest = hashlib.sha256()
    splits = {}
    sources = {split: (table, False) for split, table in tables.items()}
    if params.pretrain_sentences:
        sources["pretrain"] = (tables["train"], True)
    for split, (table, make_exercises) in sources.items():
        encode = functools.partial(_encode_batch, tokenizer=tokenizer, params=params, make_exercises=make_exercises)
        splits[split] = _encode_table(table, encode, params, folder / split, num_workers)
        digest.update(split.encode())
        EncodedPairs.open(folder / split).update(digest)
    if params.word_vectors:
        vectors = read_piece_vectors(Path(params.word_vectors), tokenizer)
        vectors.save(folder)
        digest.update(vectors.ids.tobytes() + vectors.vectors.tobytes())
    info = {
        "version": VERSION,
        "vocab_size": tokenizer.vocab_size,
        **params.model_dump(),
        "splits": splits,
        "digest": digest.hexdigest(),
    }
    write_json(folder / INFO, info)
    return info


def _encode_table(
    table: Path, encode: Callable[[Rows], dict[str, Any]], params: EncodeParams, folder: Path, num_workers: int
) -> dict[str, int]:
    """Writes one split's data set to ``folder`` and returns its counts."""
    import datasets  # takes seconds to import

    num_processes = max(1, min(num_workers, count_pairs(table) // PAIRS_PER_WORKER))
    if num_processes > 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes share the cores already
    ids, count = datasets.List(datasets.Value("int32")), datasets.Value("int32")
    features = datasets.Features(dict.fromkeys(COLUMNS, ids))
    # The library's caches lie beside its output and go with this call, instead of gathering in the home folder.
    cache = folder.with_name(f"{folder.name}.cache")
    encoded = _texts(table, cache).map(
        encode,
        batched=True,
        batch_size=_BATCH_PAIRS,
        remove_columns=["document", "summary"],
        features=datasets.Features({**features, **dict.fromkeys(_UNCUT_COLUMNS, count)}),
        num_proc=num_processes if num_processes > 1 else None,
        cache_file_name=str(cache / "encoded.arrow"),
        new_fingerprint=folder.name,
        desc=f"encode {folder.name}",
    )
    # Told anew, because what the library notes about itself depends on the number of workers.
    plain = datasets.concatenate_datasets([encoded.select_columns(COLUMNS)], info=datasets.DatasetInfo())
    plain.save_to_disk(folder, num_shards=1)
    sources, targets = (encoded.data.column(name).to_numpy() for name in _UNCUT_COLUMNS)
    shutil.rmtree(cache)
    return {
        "num_pairs": len(encoded),
        "num_cut_sources": int(np.count_nonzero(sources > params.max_source_tokens)),
        "num_cut_targets": int(np.count_nonzero(targets > params.max_target_tokens)),
        "num_source_tokens": int(np.minimum(sources, params.max_source_tokens).sum()),
        "num_target_tokens": int(np.minimum(targets, params.max_target_tokens).sum()),
    }


def _texts(table: Path, cache: Path) -> Any:
    """The documents and summaries of a table as a data set mapped from files in ``cache``."""
    import datasets

    try:
        return datasets.Dataset.from_parquet(str(table), cache_dir=str(cache), columns=["document", "summary"])
    except datasets.exceptions.DatasetGenerationError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno:  # the disk's fault, not the table's
            raise cause from error
        raise UserError(f"{table}: damaged: {cause}. Remove it and run the stage that writes it again.") from error


def _encode_batch(rows: Rows, *, tokenizer: Tokenizer, params: EncodeParams, make_exercises: bool) -> dict[str, Any]:
    pairs = list(zip(rows["document"], rows["summary"], strict=True))
    if make_exercises:
        pairs = [pair for document, _ in pairs for pair in gap_sentences(document, params.pretrain_sentences)]
    sources, targets = (tokenizer.encode_batch([pair[side].strip() for pair in pairs]) for side in (0, 1))
    limits = (params.max_source_tokens, params.max_target_tokens)
    cut = [[ids[:limit] for ids in side] for side, limit in zip((sources, targets), limits, strict=True)]
    uncut = [[len(ids) for ids in side] for side in (sources, targets)]
    return dict(zip([*COLUMNS, *_UNCUT_COLUMNS], [*cut, *uncut], strict=True))
