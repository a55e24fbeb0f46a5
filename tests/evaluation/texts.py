"""Made-up pairs, and parameters, for the tests of this folder."""

import numpy as np

from seq2sum.config import RougeParams
from seq2sum.evaluation.baselines import first_sentence, lead_words, oracle_sentences, random_sentences
from seq2sum.evaluation.rouge import score_systems
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs

PORTER = RougeParams(stemmer=True, tokenizer="rouge")
PLAIN = RougeParams(stemmer=False, tokenizer="rouge")
UNICODE = RougeParams(stemmer=True, tokenizer="unicode")

_WORDS = [
    "river",
    "mills",
    "running",
    "U.S.",
    "don't",
    "e-mail",
    "grinding",
    "3.5",
    "café",
    "--",
    "boats,",
    "(old)",
    "town",
]


def make_text(rng: np.random.Generator, num_sentences: int) -> str:
    sentences = (" ".join(rng.choice(_WORDS, size=rng.integers(2, 9))) for _ in range(num_sentences))
    return " ".join(f"The {sentence} end." for sentence in sentences)


def make_pairs(num_pairs: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Documents of one to six sentences and references of one or two."""
    rng = np.random.default_rng(seed)
    documents = [make_text(rng, int(rng.integers(1, 7))) for _ in range(num_pairs)]
    return documents, [make_text(rng, int(rng.integers(1, 3))) for _ in range(num_pairs)]


def make_outputs(num_pairs: int, params: RougeParams = PORTER, seed: int = 1) -> tuple[list[str], SystemOutputs]:
    """Documents, and all systems' outputs; the model repeats the reference and adds a word of its own."""
    documents, references = make_pairs(num_pairs, seed)
    systems = {
        MODEL: [f"{reference} indeed" for reference in references],
        "lead": [lead_words(document, 5) for document in documents],
        "first_sentence": [first_sentence(document) for document in documents],
        "random": random_sentences(documents, seed),
        "oracle": oracle_sentences(documents, references, params, num_workers=1),
    }
    scores = score_systems(systems, references, params, num_workers=1)
    return documents, SystemOutputs([f"id{number}" for number in range(num_pairs)], references, systems, scores)
