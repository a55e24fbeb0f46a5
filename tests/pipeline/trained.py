"""A project after its training, on twenty made-up test pairs and with a tiny untrained model."""

import csv
import json
from pathlib import Path

import torch
import yaml

from pipeline import paths
from seq2sum.config import ModelParams
from seq2sum.data.pairs import Pair, read_pairs, write_pairs
from seq2sum.data.profile import profile_pairs
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.files import write_json
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from tests.decoding.tables import search_params
from tests.evaluation.texts import make_pairs

REPO = Path(__file__).parents[2]
SEARCH = search_params(length_penalty=0.6, min_tokens=2, max_tokens=6).model_dump()
TRAIN = {
    "wall_seconds": 2.0, "tokens_per_second": 3.5, "num_parameters": 4, "num_train_pairs": 20,
    "passes": 1.5, "cut_share": 0.0,
}  # fmt: skip


def write_split(path: Path, num_pairs: int, seed: int) -> None:
    documents, references = make_pairs(num_pairs, seed)
    rows = zip(documents, references, strict=True)
    write_pairs(path, (Pair(f"p{n}", f"g{n}", document, summary) for n, (document, summary) in enumerate(rows)))


def make_trained_project() -> None:
    """Writes into the working folder."""
    params = yaml.safe_load((REPO / "params.yaml").read_text())
    params["evaluate"] |= {"search": SEARCH, "bootstrap_samples": 100, "num_samples": 6}
    paths.PARAMS.write_text(yaml.safe_dump(params))
    write_split(paths.VAL_PAIRS, 10, seed=1)
    write_split(paths.TEST_PAIRS, 20, seed=2)
    torch.manual_seed(3)
    sizes = {"embedding_size": 8, "encoder_size": 6, "encoder_layers": 1, "decoder_size": 10}
    network = ModelParams.model_validate({**params["train"]["model"], **sizes})
    tokenizer = Tokenizer.train(make_pairs(10)[0], vocab_size=320, min_frequency=2)
    save_model(paths.MODEL, SummarizerModel(network, tokenizer.vocab_size), tokenizer, max_source_tokens=30)
    write_json(paths.TRAIN_REPORT, {**TRAIN, "steps": 5})
    lines = [{"step": step, "phase": "likelihood", "values": {"train/loss": 1 / step}} for step in (1, 2, 3)]
    paths.JOURNAL.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_data_reports() -> None:
    """What a report needs besides an evaluation: the train split, its profile, the card and the train key."""
    write_split(paths.TRAIN_PAIRS, 20, seed=4)
    write_json(paths.TRAIN_REPORT, {**TRAIN, "steps": 5, "num_devices": 1, "train_key": "ab12" * 16})
    profile = profile_pairs(read_pairs(paths.TRAIN_PAIRS))
    write_json(paths.DATA_REPORT, {"num_pairs": {"all": {"accepted": 50, "not_text": 2}}, **profile.summary()})
    paths.DATA_PLOTS.mkdir()
    for name, rows in profile.histograms().items():
        with (paths.DATA_PLOTS / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    write_json(paths.SPLIT_REPORT, {"num_pairs": {"train": 20, "val": 10, "test": 20}})
    card = {"origin": "Texts <b>& more</b>", "release": "1", "licence": "Free", "num_pairs": 52, "fetched": []}
    write_json(paths.DATA_CARD, card)
