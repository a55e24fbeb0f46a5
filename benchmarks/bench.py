"""Speed and memory beside the peers', as ``make bench`` measures them: ``python -m benchmarks.bench [ROUNDS]``.

Every measurement is a process of its own with one thread; in each round all take turns, so that what else the machine
does meets all alike. What counts is the process's own CPU seconds, and of the rounds each contender's best.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead import pipeline_overhead
from benchmarks.sizes import SIZES, write_corpus
from pipeline.lineage import machine_tags
from seq2sum.files import write_json

RESULTS = Path("benchmarks/results.json")
CORPORA = Path(".cache/bench")
PEERS = Path(".cache/peers/venv/bin/python")
PEER_PACKAGES = ("torch", "OpenNMT-py", "joeynmt", "transformers")
PRECISIONS = ("bfloat16", "float32")

Outcome = Mapping[str, float]


@dataclass(frozen=True)
class Contest:
    """A line of the results: what of ours stands beside which peer, by which figure."""

    key: str
    ours: str
    peer: str
    figure: Callable[[Outcome], float]
    unit: str


def per_second(outcome: Outcome) -> float:
    """Pairs per CPU second."""
    return outcome["pairs"] / outcome["seconds"]


def per_second_of_training(outcome: Outcome) -> float:
    """Pairs of the corpus's mean length per CPU second: the steps that were measured may have read longer ones."""
    tokens = outcome["source_tokens"] + outcome["target_tokens"]
    return tokens / outcome["mean_tokens"] / outcome["seconds"]


def gigaflops(outcome: Outcome) -> float:
    """Operations per CPU second, in 10⁹."""
    return outcome["operations"] / outcome["seconds"] / 1e9


def peak(outcome: Outcome) -> float:
    """Peak resident memory in MiB."""
    return outcome["peak_bytes"] / 2**20


# Our search without its shortlist.
WHOLE = "decode_whole"
TRAINING, DECODING = "training pairs per CPU second", "summaries per CPU second"
CONTESTS = (
    Contest("train_vs_opennmt", "train", "train_opennmt_copy", per_second_of_training, TRAINING),
    Contest("train_vs_opennmt_fastest", "train", "train_opennmt_fastest", per_second_of_training, TRAINING),
    Contest("train_vs_joeynmt", "train", "train_joeynmt", per_second_of_training, TRAINING),
    Contest("decode_vs_opennmt", "decode", "decode_opennmt", per_second, DECODING),
    Contest("decode_vs_hf", "decode", "decode_bart", per_second, DECODING),
    Contest("decode_vs_large_hf", "decode", "decode_large_bart", per_second, DECODING),
    Contest("memory_vs_opennmt", "train", "train_opennmt_copy", peak, "MiB of peak resident memory"),
    Contest("gemm_share", "train", "multiply", gigaflops, "10⁹ useful operations per CPU second"),
)


def measure(job: str, size: str, precision: str = "float32") -> dict[str, float]:
    """Runs one measurement and returns what it printed. Raises RuntimeError with its end if it fails."""
    folder = CORPORA / size
    if job in ("train", "decode", WHOLE, "multiply"):
        command = [sys.executable, "-m", "benchmarks.ours", job, size, precision, str(folder)]
    else:
        command = [str(PEERS), "benchmarks/peers/speed.py", job, size, str(folder)]
    # OpenNMT-py's own checkpoints hold more than weights; those read here are written a moment before.
    own = {"OMP_NUM_THREADS": "1", "SEQ2SUM_THREADS": "1", "PYTHONPATH": "benchmarks:.:src"}
    environment = os.environ | own | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    outcome: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def best(outcomes: list[dict[str, float]], figure: Callable[[Outcome], float], smallest: bool) -> float:
    """The best figure of the rounds."""
    return (min if smallest else max)(map(figure, outcomes))


def results_of(size: str, measured: Mapping[tuple[str, str], list[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """The lines of one size. Training is shown in the precision that users of this machine get, float32 beside it.

    Search is shown with the shortlist that users get, without it beside it.
    """
    lines = {}
    for contest in CONTESTS:
        smallest = contest.figure is peak

        def figures(precision: str, contest: Contest = contest, smallest: bool = smallest) -> tuple[float, float]:
            peer = precision if contest.peer == "multiply" else "float32"
            return (
                best(measured[contest.ours, precision], contest.figure, smallest),
                best(measured[contest.peer, peer], contest.figure, smallest),
            )

        precision = "bfloat16" if (contest.ours, "bfloat16") in measured else "float32"
        ours, peer = figures(precision)
        line = {"ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ours / peer, 3), "unit": contest.unit}
        line["precision"] = precision
        if precision != "float32":
            ours, peer = figures("float32")
            line["float32"] = {"ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ours / peer, 3)}
        if contest.unit == DECODING:
            ours = best(measured[WHOLE, "float32"], contest.figure, smallest)
            line["whole_vocabulary"] = {"ours": round(ours, 3), "ratio": round(ours / peer, 3)}
        lines[contest.key + SIZES[size].key] = line
    return lines


def rounds(size: str, num_rounds: int, precisions: tuple[str, ...]) -> dict[tuple[str, str], list[dict[str, float]]]:
    """All measurements of a size, by job and precision."""
    write_corpus(SIZES[size], CORPORA / size)
    lines = [line.split() for name in ("train.src", "train.tgt") for line in (CORPORA / size / name).open()]
    mean_tokens = sum(map(len, lines)) / SIZES[size].num_pairs + 1  # the end of a target is a token
    jobs = [("multiply", precision) for precision in precisions] + [("train", precision) for precision in precisions]
    jobs += [("decode", "float32"), (WHOLE, "float32")] + [
        (contest.peer, "float32") for contest in CONTESTS if contest.peer != "multiply"
    ]
    measured: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(num_rounds):
        for job in dict.fromkeys(jobs):
            outcome = measure(job[0], size, job[1]) | {"mean_tokens": mean_tokens}
            measured.setdefault(job, []).append(outcome)
            print(f"{size}, round {number + 1}: {' '.join(job)}: {outcome['seconds']:.2f} CPU s", flush=True)
    return measured


def main() -> None:
    """The command line: measures, and writes results.json."""
    num_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results: dict[str, Any] = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    precisions = PRECISIONS if has_bfloat16() else ("float32",)
    for size in SIZES:
        results |= results_of(size, rounds(size, num_rounds, precisions))
        write_json(RESULTS, results)
    results["pipeline_overhead"] = pipeline_overhead()
    machine = machine_tags()
    results["machine"] = {
        **{key: machine[key] for key in ("cpu", "cpu_cores", "gpu")},
        **{"threads": 1, "rounds": num_rounds, "python": platform.python_version(), "versions": peer_versions()},
        **{"load": round(os.getloadavg()[1], 1), "command": "make bench"},
    }
    write_json(RESULTS, results)
    print(f"wrote {RESULTS}")


def has_bfloat16() -> bool:
    """Whether ``train.precision: auto`` takes bfloat16 here."""
    question = (
        "import torch; from pipeline.hardware import matrix_precision; "
        "print(matrix_precision('auto', torch.device('cpu')))"
    )
    return "bfloat16" in subprocess.check_output([sys.executable, "-c", question], text=True)


def peer_versions() -> dict[str, str]:
    """The versions of the peers' environment."""
    question = f"import importlib.metadata as m; print(*map(m.version, {PEER_PACKAGES}))"
    found = subprocess.check_output([str(PEERS), "-c", question], text=True).split()
    return dict(zip(PEER_PACKAGES, found, strict=True))


if __name__ == "__main__":
    main()
