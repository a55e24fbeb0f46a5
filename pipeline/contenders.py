"""Champion and challenger as the gate sees them: summaries that are proven to be their own, and what those cost."""

import contextlib
import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import lineage, paths, record
from pipeline.decoding import Decoder, decoder
from pipeline.tracking import registry
from pipeline.workers import num_workers
from seq2sum.config import Params
from seq2sum.data.pairs import Pair
from seq2sum.errors import UserError
from seq2sum.evaluation.rouge import RougeScores, score_systems
from seq2sum.gate.measures import Measures, measure

# Documents that are timed together: few, so that a neighbour's load meets both versions; and how often each is.
TIMED_TOGETHER = 8
_ROUNDS = 3


class Contender(NamedTuple):
    """A version with its summaries of the test pairs. ``rescored``: it wrote them just now; they were not recorded.

    ``seconds``: per document, of each group of some documents, shape (groups,); the same groups for every contender.
    ``made_from``: as :func:`pipeline.record.made_from` has it.
    """

    version: registry.Version
    summaries: Sequence[str]
    scores: RougeScores
    measures: Measures
    seconds: NDArray[np.float64]
    num_bytes: int
    rescored: bool
    made_from: Mapping[str, str]


def contenders(
    versions: Sequence[registry.Version], pairs: Sequence[Pair], test_set: str, params: Params, temporary: Path
) -> list[Contender]:
    """The versions, fetched into ``temporary``, with their summaries of the ``pairs``.

    ``test_set``: SHA-256 of the pairs' file, by which a version knows whether it has summaries of them on record.
    Raises UserError if a version's files were changed, or if its weights don't write what was recorded of it.
    """
    from pipeline.hardware import use_hardware

    documents, references = [pair.document for pair in pairs], [pair.summary for pair in pairs]
    device, threads = str(use_hardware()), int(os.environ.get("SEQ2SUM_THREADS") or len(os.sched_getaffinity(0)))
    rows = sampled_rows(versions, len(documents), params.promote.latency_documents)
    texts, folders, rescored = {}, {}, []
    with contextlib.ExitStack() as stack:
        decoders = {}
        for version in versions:
            folders[version.number] = folder = registry.fetch(version, temporary / version.number)
            model = folder / "artifacts" / paths.MODEL.name
            decode = stack.enter_context(decoder(folder / "code", model, device, threads))
            decoders[version.number] = decode
            recorded = None
            if version.tags.get("test_set_sha256") == test_set:
                recorded = _proven(version, folder, documents, rows, decode, device)
            texts[version.number] = decode(documents).summaries if recorded is None else recorded
            rescored += [version.number] if recorded is None else []
        seconds = alternating_seconds([*decoders.values()], [documents[row] for row in rows])
    scores = score_systems(texts, references, params.evaluate.rouge, num_workers())
    return [
        Contender(
            version,
            texts[version.number],
            scores[version.number],
            measure(documents, references, texts[version.number], scores[version.number].values),
            of_version,
            sum(file.stat().st_size for file in (folders[version.number] / "artifacts" / paths.MODEL.name).iterdir()),
            version.number in rescored,
            record.made_from(folders[version.number] / "artifacts" / record.FOLDER),
        )
        for version, of_version in zip(versions, seconds, strict=True)
    ]


def sampled_rows(versions: Sequence[registry.Version], num_documents: int, num_sampled: int) -> list[int]:
    """Test rows that every version writes again, in order.

    Drawn by the hashes of the versions' files, the recorded summaries among them: who edits these draws other rows.
    """
    seed = " ".join(version.tags.get(registry.CONTENT_TAG, "") for version in versions)
    return sorted(random.Random(seed).sample(range(num_documents), min(num_documents, num_sampled)))


def _proven(
    version: registry.Version,
    folder: Path,
    documents: Sequence[str],
    rows: Sequence[int],
    decode: Decoder,
    device: str,
) -> list[str] | None:
    """The recorded summaries, if the version's weights write those of ``rows`` again byte for byte.

    None if they don't on a GPU or another kind of processor, whose sums may differ in their last bits. Raises UserError
    if they don't on a processor of the kind that they were made on.
    """
    recorded = record.recorded_hypotheses(folder / "artifacts" / record.FOLDER)
    if len(recorded) != len(documents):
        raise UserError(
            f"version {version.number}: {len(recorded)} summaries are recorded of {len(documents)} test rows."
        )
    again = decode([documents[row] for row in rows]).summaries
    differing = [row for row, text in zip(rows, again, strict=True) if recorded[row].encode() != text.encode()]
    if not differing:
        return recorded
    told = (
        f"version {version.number}: its weights do not write what is recorded of it: {len(differing)} of {len(rows)} "
        f"test rows that were tried differ, the first of them row {differing[0] + 1}"
    )
    made_on, here = version.tags, lineage.machine_tags()
    if device == "cpu" and made_on.get("gpu") == "none" and made_on.get("cpu") == here["cpu"]:
        raise UserError(f"{told}. The record is of other weights or was edited: do not use this version.")
    print(f"{told}. Here is another kind of machine, so it summarizes the whole test split anew.", file=sys.stderr)
    return None


def alternating_seconds(decoders: Sequence[Decoder], documents: Sequence[str]) -> list[NDArray[np.float64]]:
    """The seconds per document of each decoder on groups of the documents, shape (groups,).

    They take turns, so that a load from elsewhere meets all alike.
    """
    order = [*enumerate(decoders)]
    seconds: list[list[float]] = [[] for _ in decoders]
    for group in _groups(documents):
        for place, decode in order:
            seconds[place].append(decode(group).seconds / len(group))
        # Who comes second may find another state of the machine.
        order.reverse()
    return [np.array(of_decoder) for of_decoder in seconds]


def _groups(documents: Sequence[str]) -> Iterator[Sequence[str]]:
    for _ in range(_ROUNDS):
        for start in range(0, len(documents), TIMED_TOGETHER):
            yield documents[start : start + TIMED_TOGETHER]
