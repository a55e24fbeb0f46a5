"""Peers trained on our corpus and pieces, judged by our evaluation: ``python -m benchmarks.peers.quality WHO …``.

After ``dvc repro encode``. WHO is ``ours``, which comes first, or a peer with its settings: ``opennmt`` and ``joeynmt``
have our network's sizes, ``opennmt_recommended`` and ``joeynmt_recommended`` what the peers' own examples say. A peer
trains for so many CPU seconds on one thread; the length penalty is chosen on a part of the val split.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench import PEER_PACKAGES, PEERS, peer_versions
from benchmarks.peers.pieces import read_summaries, write_pieces
from pipeline import lineage, paths
from pipeline.workers import num_workers
from seq2sum.data.pairs import read_pairs
from seq2sum.evaluation.comparison import compare_scores
from seq2sum.evaluation.rouge import RougeScores, score_pairs
from seq2sum.evaluation.significance import bootstrap_interval
from seq2sum.evaluation.system_outputs import MODEL, read_outputs
from seq2sum.files import sha256_of, write_json
from seq2sum.params_file import load_params

RESULTS = Path("benchmarks/peers_quality.json")
FOLDER = Path(".cache/peers")
PIECES = FOLDER / "pieces"
OURS = FOLDER / "ours.json"
NUM_TUNING_PAIRS = 400
OUR_FACTS = ("train_key", "steps", "wall_seconds", "num_parameters", "precision")
SETTINGS = ("opennmt", "opennmt_recommended", "joeynmt", "joeynmt_recommended")
# Beam and length penalty: without, and as each project's documentation has it.
SEARCHES = {
    "opennmt": (
        ["-beam_size", "5", "-max_length", "60", "-min_length", "1"],
        ["-beam_size", "10", "-max_length", "60", "-min_length", "1", "-length_penalty", "wu", "-alpha", "0.9"],
    ),
    "joeynmt": (
        ["beam_size=5", "max_output_length=60", "beam_alpha=-1"],
        ["beam_size=5", "max_output_length=60", "beam_alpha=1.0"],
    ),
}


def program(peer: str) -> str:
    """The peer's program: ``opennmt`` or ``joeynmt``."""
    return peer.partition("_")[0]


def run_peer(peer: str, *arguments: str) -> None:
    """The peer's script in its environment, on one thread; its output goes to .cache/peers/PEER.log."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    command = [str(PEERS), f"benchmarks/peers/{program(peer)}_peer.py", *arguments]
    with (FOLDER / f"{peer}.log").open("a") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=True)


def summaries(peer: str, split: str, num_pairs: int | None, search: list[str]) -> list[str]:
    """The trained peer's summaries of the first pairs of a split."""
    source, output = FOLDER / f"{peer}.src", FOLDER / f"{peer}.out"
    lines = (PIECES / f"{split}.src").read_text().splitlines(keepends=True)[:num_pairs]
    source.write_text("".join(lines))
    run_peer(peer, "translate", str(FOLDER / peer), str(source), str(output), *search)
    found = read_summaries(output)
    assert len(found) == len(lines)
    return found


def score(peer: str, split: str, num_pairs: int | None, search: list[str]) -> RougeScores:
    """The scores of those summaries, by the metric of params.yaml."""
    references = [pair.summary for pair in read_pairs(paths.SPLITS / f"{split}.parquet")][:num_pairs]
    hypotheses = summaries(peer, split, num_pairs, search)
    return score_pairs(hypotheses, references, load_params(paths.PARAMS).evaluate.rouge, num_workers())


def train_ours() -> None:
    """The stages train and evaluate on one thread; the CPU seconds of the first go to .cache/peers/ours.json."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEQ2SUM_THREADS": "1", "SEQ2SUM_TRACKING": "off"}
    subprocess.run([sys.executable, "-m", "pipeline.stages.train"], env=environment, check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    write_json(OURS, {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1)})
    subprocess.run([sys.executable, "-m", "pipeline.stages.evaluate"], env=environment, check=True)


def row(peer: str, seconds: float) -> dict[str, Any]:
    """Tunes the search on val, then scores the whole test split and compares it with ours."""
    searches = SEARCHES[program(peer)]
    tuning = [(score(peer, "val", NUM_TUNING_PAIRS, search).means()["rouge1"], search) for search in searches]
    _, search = max(tuning)
    theirs, evaluation = score(peer, "test", None, search), load_params(paths.PARAMS).evaluate
    ours = read_outputs(paths.HYPOTHESES).scores[MODEL]
    interval = bootstrap_interval(theirs.table(), evaluation.bootstrap_samples, evaluation.seed)
    train, machine = json.loads(paths.TRAIN_REPORT.read_bytes()), lineage.machine_tags()
    return {
        "peer": peer,
        "num_test_pairs": len(theirs.table()),
        "signature": theirs.signature,
        "scores": dict(
            zip(theirs.values, zip(*(part.round(4).tolist() for part in interval), strict=True), strict=True)
        ),
        "ours": {kind: round(mean, 4) for kind, mean in ours.means().items()},
        "paired": compare_scores(ours, theirs, evaluation.bootstrap_samples, evaluation.seed),
        "training": json.loads((FOLDER / peer / "training.json").read_text()),
        "our_training": {key: train[key] for key in OUR_FACTS} | json.loads(OURS.read_text()),
        "search": search,
        "tuning": [{"search": options, "rouge1": round(value, 3)} for value, options in tuning],
        "config": (FOLDER / peer / "used.yaml").read_text(),
        "splits": {split: sha256_of(paths.SPLITS / f"{split}.parquet") for split in ("train", "val", "test")},
        "versions": {name: version for name, version in peer_versions().items() if name in PEER_PACKAGES},
        "machine": {key: machine[key] for key in ("cpu", "cpu_cores", "gpu")} | {"threads": 1},
        "command": f"python -m benchmarks.peers.quality {peer} {seconds:g}",
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.quality", description=__doc__)
    parser.add_argument("who", choices=["ours", *SETTINGS])
    parser.add_argument("seconds", type=float, nargs="?", default=640.0, help="for a peer; ours ends by its params")
    parser.add_argument("--trained", action="store_true", help="judge the training that stands in .cache/peers/PEER")
    arguments = parser.parse_args()
    if arguments.who == "ours":
        train_ours()
        return
    config = Path(f"benchmarks/peers/{arguments.who}.yaml")
    write_pieces(PIECES)
    if not arguments.trained:
        shutil.rmtree(FOLDER / arguments.who, ignore_errors=True)
        run_peer(arguments.who, "train", str(config), str(FOLDER / arguments.who), f"{arguments.seconds:g}")
    shutil.copy(config, FOLDER / arguments.who / "used.yaml")
    new = row(arguments.who, arguments.seconds)
    rows = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else []
    write_json(
        RESULTS, sorted([*(old for old in rows if old["peer"] != new["peer"]), new], key=lambda one: one["peer"])
    )
    print(f"{RESULTS}: {new['peer']}: {new['scores']}")


if __name__ == "__main__":
    main()
