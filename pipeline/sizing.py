"""How large a network, how long its inputs and how much training a corpus wants, judged by its size and lengths.

Networks, rates and steps up to FULL_PAIRS pairs are those of presets/, measured on corpora of 13,000 to 25,000 pairs
(benchmarks/quality.json, ARCHITECTURE.md); for smaller and larger corpora they are a start, not an optimum.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from seq2sum.config import PromoteParams, RougeParams
from seq2sum.data.overlap import words
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.evaluation.rouge import unread_share
from seq2sum.evaluation.verdict import ENOUGH_PAIRS, MUCH_UNREAD
from seq2sum.gate.evidence import detectable_gain

# Texts by which lengths and speed are estimated.
SAMPLE_PAIRS = 3_000
# Below the first presets/small.yaml was better; from the second on, which is a guess, the network is that of
# presets/full.yaml.
DEFAULT_PAIRS, FULL_PAIRS = 15_000, 60_000
# Below this the small preset's network has more weights than the corpus has words to learn them from.
TINY_PAIRS = 3_000
# Shorter documents are rejected, unless the corpus has more than this share of them.
DOCUMENT_WORDS, MOST_SHORT = 15, 0.05
# Documents that are shorter than this many times their summaries leave nothing to summarize.
LEAST_RATIO = 1.5
# A piece is worth a place in the vocabulary if the corpus shows it this often on average.
WORDS_PER_PIECE = 100
LEAST_PIECES, MOST_PIECES = 1_000, 8_000
SOURCE_QUANTILE, TARGET_QUANTILE = 0.95, 0.995
MOST_SOURCE_TOKENS, MOST_TARGET_TOKENS = 800, 200
# Passes over the pairs: more gains nothing on a small corpus (early stopping ends there), fewer leave something.
SMALL_PASSES, LARGE_PASSES = 20, 5
LEAST_STEPS, SMALL_MOST_STEPS, LARGE_MOST_STEPS = 400, 2_500, 6_000
# What a step of the reward phase costs, in steps of the others.
REWARD_STEP = 8
# Enough to see everything run once, whatever the corpus.
TRIAL = {
    "ingest.max_pairs": 1_000,
    "train.pretrain.max_steps": 200,
    "train.max_steps": 200,
    "train.warmup_steps": 50,
    "train.validate_every": 50,
    "train.reward.max_steps": 0,
}
# Standard deviation of the differences in ROUGE-1 between two trainings of the default corpus, pair by pair: those of
# benchmarks/gate_population.parquet.
GAIN_DEVIATION = 15.6
# Tokens a second of the default network on two cores that multiply bfloat16, and its parameters.
TOKENS_PER_SECOND, ITS_PARAMETERS = 28_700, 2_870_000


class Choice(NamedTuple):
    """A value for a key of params.yaml (its path) and the reason for it."""

    key: str
    value: Any
    reason: str


class Corpus(NamedTuple):
    """What a corpus is like. ``documents`` and ``summaries`` are a sample of the texts of ``num_pairs`` pairs."""

    num_pairs: int
    documents: Sequence[str]
    summaries: Sequence[str]


def choices(corpus: Corpus, batch_tokens: int) -> list[Choice]:
    """The values that fit the corpus, in the order of params.yaml. ``batch_tokens`` is that of the params at hand.

    The keys are always the same, so that no value of an earlier corpus stays.
    """
    found = [Choice("ingest.max_pairs", None, "all of them"), _validation(corpus)]
    sample_words = sum(len(words(text)) for text in (*corpus.documents, *corpus.summaries))
    num_words = round(sample_words * corpus.num_pairs / len(corpus.documents))
    pieces = min(MOST_PIECES, max(LEAST_PIECES, 100 * round(num_words / WORDS_PER_PIECE / 100)))
    found.append(
        Choice(
            "train_tokenizer.vocab_size",
            pieces,
            f"about {num_words:,} words; a piece for every {WORDS_PER_PIECE}, at least {LEAST_PIECES:,} and at most "
            f"{MOST_PIECES:,}",
        )
    )
    tokenizer = Tokenizer.train([*corpus.documents, *corpus.summaries], pieces, min_frequency=2)
    source_lengths, target_lengths = (
        np.array([len(ids) for ids in tokenizer.encode_batch(texts)]) for texts in (corpus.documents, corpus.summaries)
    )
    source, target = found_lengths = list(_lengths(source_lengths, target_lengths))
    read = np.minimum(source_lengths, source.value).mean() + np.minimum(target_lengths, target.value).mean() + 1
    found += found_lengths
    found += _training(corpus.num_pairs, float(read), batch_tokens)
    found += [
        Choice(key, target.value, "as encode.max_target_tokens")
        for key in ("train.reward.max_tokens", "evaluate.search.max_tokens")
    ]
    return [*found, _shortlist(corpus.num_pairs), *_script(corpus.summaries)]


def for_trial(chosen: Sequence[Choice]) -> list[Choice]:
    """The choices with the budget of a first trial."""
    return [
        choice._replace(value=TRIAL[choice.key], reason="for a trial") if choice.key in TRIAL else choice
        for choice in chosen
    ]


def seconds(chosen: Sequence[Choice], batch_tokens: int) -> float:
    """The training's time on two cores, roughly: by its tokens and the network's weights."""
    values = {choice.key: choice.value for choice in chosen}
    steps = values["train.max_steps"] + values["train.pretrain.max_steps"]
    steps += REWARD_STEP * values["train.reward.max_steps"]
    embedding, encoder, decoder = (values[f"train.model.{name}_size"] for name in ("embedding", "encoder", "decoder"))
    # LSTMs have 4 · (input + state) · state weights in each direction; the vocabulary's embeddings are shared.
    parameters = (
        values["train_tokenizer.vocab_size"] * embedding
        + 2 * 4 * encoder * (embedding + encoder)
        + 4 * decoder * (embedding + decoder)
        + 4 * decoder * (2 * encoder + 2 * decoder)
    )
    return float(steps * batch_tokens / TOKENS_PER_SECOND * max(0.5, parameters / ITS_PARAMETERS))


def _validation(corpus: Corpus) -> Choice:
    lengths = np.array([len(words(text)) for text in corpus.documents])
    short = float((lengths < DOCUMENT_WORDS).mean())
    value = DOCUMENT_WORDS if short <= MOST_SHORT else max(3, int(np.quantile(lengths, MOST_SHORT)))
    return Choice("validate.min_document_words", value, f"{short:.0%} of the documents have less than {DOCUMENT_WORDS}")


def _lengths(source_lengths: np.ndarray, target_lengths: np.ndarray) -> Iterator[Choice]:
    for key, lengths, quantile, most, step in (
        ("encode.max_source_tokens", source_lengths, SOURCE_QUANTILE, MOST_SOURCE_TOKENS, 50),
        ("encode.max_target_tokens", target_lengths, TARGET_QUANTILE, MOST_TARGET_TOKENS, 10),
    ):
        value = min(most, step * math.ceil(np.quantile(lengths, quantile) / step))
        cut = float((lengths > value).mean())
        reason = f"median {np.median(lengths):.0f} pieces, longest {lengths.max():,}; {cut:.1%} are cut"
        yield Choice(key, value, f"{reason}, since time and memory grow with it" if value == most else reason)


def _training(num_pairs: int, tokens_per_pair: float, batch_tokens: int) -> Iterator[Choice]:
    """Network, phases and rates by three measured sizes; steps by passes over the pairs."""
    is_small = num_pairs < DEFAULT_PAIRS
    if num_pairs < TINY_PAIRS:
        embedding, dropout, why = (
            96,
            0.3,
            f"{num_pairs:,} pairs: a smaller network than presets/small.yaml",
        )
    elif is_small:
        embedding, dropout, why = 128, 0.3, f"{num_pairs:,} pairs are few: the network of presets/small.yaml"
    elif num_pairs < FULL_PAIRS:
        embedding, dropout, why = 128, 0.1, f"{num_pairs:,} pairs: the default network (`make full` is a larger one)"
    else:
        embedding, dropout, why = 192, 0.2, f"{num_pairs:,} pairs fill the network of presets/full.yaml"
    yield Choice("train.model.embedding_size", embedding, why)
    yield Choice("train.model.encoder_size", embedding, "as the embedding")
    yield Choice("train.model.decoder_size", 2 * embedding, "as both directions of the encoder")
    yield Choice("train.model.dropout", dropout, "the fewer pairs, the more of it" if is_small else "pairs enough")

    a_pass = num_pairs * tokens_per_pair / batch_tokens
    passes = SMALL_PASSES if is_small else LARGE_PASSES
    most = SMALL_MOST_STEPS if is_small else LARGE_MOST_STEPS
    steps = 100 * round(min(most, max(LEAST_STEPS, passes * a_pass)) / 100)
    if is_small:
        pretrain, rates, why = min(3_500, max(1_000, 2 * steps)), (0.005, 0.004), "few pairs teach little"
    else:
        pretrain, rates, why = min(800, steps // 4), (0.006, 0.008), "pairs enough"
    preset = f"that of presets/{'small' if is_small else 'default'}.yaml"
    yield Choice("train.pretrain.max_steps", pretrain, f"{why}; pretraining learns from the documents alone")
    yield Choice("train.pretrain.learning_rate", rates[0], preset)
    yield Choice(
        "train.max_steps",
        steps,
        f"about {steps / a_pass:.0f} passes" + (f" of {a_pass:.0f} steps" if a_pass >= 1 else ""),
    )
    yield Choice("train.learning_rate", rates[1], preset)
    yield Choice("train.warmup_steps", min(200, steps // 8), "an eighth of the steps, at most 200")
    yield Choice("train.average_best", 3 if is_small else 1, "steadier on a small corpus" if is_small else "the best")
    yield Choice(
        "train.validate_every", max(50, min(300, 10 * (steps // 80))), "an eighth of the steps, for the patience"
    )

    yield Choice(
        "train.reward.max_steps",
        300 if is_small else 0,
        "ROUGE itself, at eight times a step's cost: on few pairs it gains what more likelihood does not"
        if is_small
        else "gains nothing that evaluate.search.risk_samples does not",
    )


def _shortlist(num_pairs: int) -> Choice:
    """As the presets: all pieces where the corpus wants every tenth of ROUGE, or fills a large network."""
    if DEFAULT_PAIRS <= num_pairs < FULL_PAIRS:
        return Choice("evaluate.search.shortlist", 2_000, "as presets/default.yaml: faster, 0.1 points of ROUGE-1 less")
    return Choice("evaluate.search.shortlist", 0, "all pieces, as in presets/small.yaml and presets/full.yaml")


def _script(summaries: Sequence[str]) -> Iterator[Choice]:
    """The tokenizer for words of any script, where ROUGE's own sees little."""
    unread = unread_share(summaries, RougeParams(stemmer=True, tokenizer="rouge"))
    reason = f"ROUGE's own tokenizer sees nothing in {unread:.0%} of the summaries' words"
    for key in ("evaluate.search.risk_tokenizer", "evaluate.rouge.tokenizer", "train.reward.tokenizer"):
        yield Choice(key, "unicode" if unread > MUCH_UNREAD else "rouge", reason)


def warnings(corpus: Corpus) -> list[str]:
    """What a person should know before training."""
    told = []
    document, summary = (median(map(len, texts)) for texts in (corpus.documents, corpus.summaries))
    if document < LEAST_RATIO * summary:
        compared = "hardly longer" if document > summary else "no longer"
        told.append(
            f"The documents are {compared} than their summaries: {document:,.0f} and {summary:,.0f} characters in the "
            "median. Are these the right columns, and the right way round?"
        )
    if corpus.num_pairs < ENOUGH_PAIRS:
        told.append(
            f"{corpus.num_pairs:,} pairs: enough to see it run, few for summaries that are better than the first words "
            f"of a document. From about {ENOUGH_PAIRS:,} on it gets useful."
        )
    return told


def gate_outlook(in_all: int, most: int | None, promote: PromoteParams) -> str:
    """What the promotion gate can tell by a test split of so many pairs, in a sentence or two.

    ``most``: those that a trial keeps of them at most.
    """
    num_test = min(in_all, most) if most else in_all
    wanted = f"`seq2sum promote` wants {promote.min_pairs:,} (promote.min_pairs)"
    if num_test < promote.min_pairs:
        without = f" Without --trial there are about {in_all:,}." if num_test < in_all else ""
        return (
            f"About {num_test:,} test pairs: the first version becomes champion, but no other will take over, since "
            f"{wanted}.{without}"
        )
    gain = float(detectable_gain(np.array(GAIN_DEVIATION), num_test, promote))
    smaller = "insufficient_data" if gain > promote.effect else "keep"
    return (
        f"About {num_test:,} test pairs: {wanted} and can prove gains from about {gain:.1f} points of ROUGE-1 on; "
        f"smaller ones mostly end as {smaller}."
    )
