"""What a summary costs with PyTorch, exported, and exported with 8-bit integers, and what that does to its quality.

``python -m benchmarks.portable MODEL PAIRS.parquet`` writes benchmarks/portable.json. The first ``--num-pairs`` of
the file are summarized one at a time on one thread, all three in turn, by the same beam search without draws.
Milliseconds are the process's own CPU time, which says what one free core would take whatever else the machine does.
"""

import argparse
import importlib.metadata
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pipeline import lineage, paths
from seq2sum.data.pairs import read_pairs
from seq2sum.evaluation.comparison import compare_scores
from seq2sum.evaluation.rouge import score_systems
from seq2sum.export import export
from seq2sum.files import write_json
from seq2sum.params_file import load_params
from seq2sum.portable import WITHOUT, PortableSummarizer
from seq2sum.summarize import Summarizer

RESULTS = Path("benchmarks/portable.json")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portable", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--num-pairs", type=int, default=600)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = list(itertools.islice(read_pairs(arguments.pairs), arguments.num_pairs))
    summarizer = Summarizer.load(arguments.model)
    assert summarizer.search is not None
    search = summarizer.search.model_copy(update=WITHOUT)
    systems: dict[str, Callable[[str], str]] = {"pytorch": lambda text: summarizer.summarize([text], search)[0].text}
    sizes = {"pytorch": size_of(arguments.model)}
    with tempfile.TemporaryDirectory() as temporary:
        for name, quantize in (("onnx", False), ("onnx_int8", True)):
            folder = Path(temporary, name)
            export(summarizer, folder, quantize)
            sizes[name] = size_of(folder)
            exported = PortableSummarizer(folder)
            systems[name] = lambda text, exported=exported: exported.summarize([text])[0].text
        texts, milliseconds = measure(systems, [pair.document for pair in pairs])
    params = load_params(paths.PARAMS).evaluate
    scores = score_systems(texts, [pair.summary for pair in pairs], params.rouge, num_workers=1)
    rows = {
        name: {
            "cpu_ms_p50": round(float(np.percentile(milliseconds[name], 50)), 2),
            "cpu_ms_p95": round(float(np.percentile(milliseconds[name], 95)), 2),
            "megabytes": round(sizes[name] / 1e6, 2),
            "same_text_share": float(np.mean([a == b for a, b in zip(texts[name], texts["pytorch"], strict=True)])),
            **{kind: round(float(values.mean()), 3) for kind, values in scores[name].values.items()},
        }
        for name in systems
    }
    report = {
        "num_pairs": len(pairs),
        "beam_size": search.beam_size,
        "signature": scores["onnx"].signature,
        "systems": rows,
        "int8_against_onnx": compare_scores(scores["onnx_int8"], scores["onnx"], params.bootstrap_samples, params.seed),
        "machine": {key: value for key, value in lineage.machine_tags().items() if key in ("cpu", "cpu_cores")},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "onnxruntime", "numpy")},
        "git_sha": lineage.code_tags()["git_sha"],
        "command": f"python -m benchmarks.portable MODEL PAIRS.parquet --num-pairs {arguments.num_pairs}",
    }
    write_json(RESULTS, report)


def measure(
    systems: dict[str, Callable[[str], str]], documents: list[str]
) -> tuple[dict[str, list[str]], dict[str, list[float]]]:
    """The summaries by each system, and the CPU milliseconds that each took, after one to warm up."""
    texts: dict[str, list[str]] = {name: [] for name in systems}
    milliseconds: dict[str, list[float]] = {name: [] for name in systems}
    for document in documents[:1]:
        for summarize in systems.values():
            summarize(document)
    for document in documents:
        for name, summarize in systems.items():
            start = time.process_time()
            texts[name].append(summarize(document))
            milliseconds[name].append(1000 * (time.process_time() - start))
    return texts, milliseconds


def size_of(folder: Path) -> int:
    """Bytes of a folder's files."""
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    main()
