"""The parts of seq2sum, one by one, on a toy language: `python docs/tutorial.py`, about half a minute on one core.

A document tells what a tool can do and what it does not need; its summary says the first in three words.
"""

import random
import tempfile
from pathlib import Path

import torch

from seq2sum.config import EvaluateParams
from seq2sum.data.batch import make_batch
from seq2sum.data.encoded import EncodedPairs
from seq2sum.data.encoding import encode_pairs
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.evaluation.baselines import first_sentence
from seq2sum.evaluation.rouge import score_systems
from seq2sum.explain import explain
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.params_file import load_params
from seq2sum.summarize import Summarizer
from seq2sum.training.phase import likelihood_phase
from seq2sum.training.state import Training
from seq2sum.training.trainer import fit, validation_loss

NOUNS = ["tree", "graph", "table", "server", "map", "clock", "mail", "photo", "file", "note", "song", "game"]
VERBS = ["draws", "sorts", "reads", "sends", "finds", "shows", "counts", "hides", "moves", "keeps"]


def toy_pair(number: int) -> Pair:
    """A document and its summary, the same for the same number."""
    rng = random.Random(number)
    verb, noun, place, other = rng.choice(VERBS), *rng.sample(NOUNS, 3)
    document = f"It is small. This tool {verb} every {noun} by {place}. No {other} is needed for that."
    return Pair(str(number), str(number), document, f"{verb} {noun} by {place}")


def main() -> None:
    """From pairs to a summary and its explanation."""
    torch.set_num_threads(1)
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # 1. Pairs are a table; here 600 to learn from and 40 to test by.
        pairs = [toy_pair(number) for number in range(640)]
        write_pairs(folder / "train.parquet", pairs[40:])
        write_pairs(folder / "val.parquet", pairs[:40])

        # 2. One lossless subword vocabulary for documents and summaries, learnt from the train split.
        texts = [text for pair in pairs[40:] for text in (pair.document, pair.summary)]
        tokenizer = Tokenizer.train(texts, vocab_size=400, min_frequency=2)
        print("pieces:", tokenizer.pieces(tokenizer.encode(pairs[0].summary)))

        # 3. Piece ids in memory-mapped files.
        tables = {"train": folder / "train.parquet", "val": folder / "val.parquet"}
        (folder / "encoded").mkdir()
        encode_pairs(tables, tokenizer, params.encode, folder / "encoded", num_workers=1)
        train_pairs, val_pairs = (EncodedPairs.open(folder / "encoded" / name) for name in ("train", "val"))

        # 4. A small network, and its likelihood phase. Everything random comes from the seed.
        network = params.train.model.model_copy(
            update={"embedding_size": 48, "encoder_size": 48, "decoder_size": 96, "dropout": 0.0}
        )
        train = params.train.model_copy(
            update={"model": network, "max_steps": 120, "validate_every": 60, "batch_tokens": 1500, "warmup_steps": 30}
        )
        torch.manual_seed(train.seed)
        training = Training(SummarizerModel(network, tokenizer.vocab_size), train, folder / "run", torch.device("cpu"))
        training.resume()
        phase = likelihood_phase(
            train, train_pairs, lambda model: validation_loss(model, val_pairs, 1500, torch.device("cpu"))
        )
        fit(training, [phase])

        # 5. Summaries by beam search, scored beside the first sentence.
        summarizer = Summarizer(training.model, tokenizer, params.encode.max_source_tokens, params.evaluate.search)
        search = params.evaluate.search.model_copy(update={"risk_samples": 0})
        documents = [pair.document for pair in pairs[:40]]
        summaries = summarizer.summarize(documents, search)
        show_scores(params.evaluate, documents, [one.text for one in summaries], [pair.summary for pair in pairs[:40]])

        # 6. Why it wrote that: the share of each piece that was copied, and the likeliest place.
        print("document:", documents[0])
        explanation = explain(summarizer, documents[0], summaries[0].ids)
        for origin in explanation.origins[:-1]:
            place = explanation.source_pieces[origin.sources[0][0]] if origin.sources else "-"
            print(f"{origin.piece!r}: probability {origin.probability:.2f}, {origin.copied:.0%} copied from {place!r}")

        # 7. What the network reads is a padded batch.
        batch = make_batch(val_pairs.sources(range(2)), val_pairs.targets(range(2)))
        print("source ids of two documents:", tuple(batch.source.source_ids.shape))


def show_scores(params: EvaluateParams, documents: list[str], summaries: list[str], references: list[str]) -> None:
    """Prints the mean ROUGE-1 of the model and of the first sentences."""
    systems = {"model": summaries, "first sentence": [first_sentence(document) for document in documents]}
    for name, scores in score_systems(systems, references, params.rouge, num_workers=1).items():
        print(f"ROUGE-1 of {name}: {scores.means()['rouge1']:.1f}")


if __name__ == "__main__":
    main()
