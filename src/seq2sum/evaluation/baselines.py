"""Summaries that need no model: what a model must beat, and what picking sentences could reach at best."""

import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2sum.config import EvaluateParams, RougeParams
from seq2sum.data.overlap import ngrams, sentences
from seq2sum.evaluation.rouge import RougeTokenizer, rouge_tokenizer
from seq2sum.evaluation.workers import map_chunks

MAX_LEAD_WORDS = 500
_ORACLE_ORDERS = (1, 2)
_SAME = 1e-9  # two sums of equal terms may differ by rounding


def lead_words(document: str, num_words: int) -> str:
    """The document's first ``num_words`` words, as white space divides them."""
    return " ".join(document.split(maxsplit=num_words)[:num_words])


def best_num_lead_words(documents: Sequence[str], references: Sequence[str], params: RougeParams) -> int:
    """The n up to ``MAX_LEAD_WORDS`` for which :func:`lead_words` has the best mean ROUGE-1; the least of equals.

    To be called with the validation split.
    """
    tokenizer = rouge_tokenizer(params)
    total = np.zeros(MAX_LEAD_WORDS)
    for document, reference in zip(documents, references, strict=True):
        total += _lead_rouge1(document, tokenizer.tokenize(reference), tokenizer)
    return int(np.argmax(total > total.max() - _SAME)) + 1


def _lead_rouge1(document: str, reference: Sequence[str], tokenizer: RougeTokenizer) -> NDArray[np.float64]:
    """ROUGE-1 F1 of the first 1, 2, … ``MAX_LEAD_WORDS`` words, from one pass over them."""
    unmatched = Counter(reference)
    num_tokens, num_matched = 0, 0
    scores = np.zeros(MAX_LEAD_WORDS)
    for position, word in enumerate(document.split(maxsplit=MAX_LEAD_WORDS)[:MAX_LEAD_WORDS]):
        for token in tokenizer.tokenize(word):
            num_tokens += 1
            if unmatched[token] > 0:
                unmatched[token] -= 1
                num_matched += 1
        # A document that is shorter keeps its last score: the rest is overwritten as long as there are words.
        scores[position:] = 2 * num_matched / max(1, num_tokens + len(reference))
    return scores


def first_sentence(document: str) -> str:
    """The document's first sentence; empty if it has none."""
    return next(iter(sentences(document)), "")


def random_sentences(documents: Sequence[str], seed: int) -> list[str]:
    """A sentence of each document, every one of its sentences as likely; empty where there is none."""
    rng = np.random.default_rng(seed)
    choices = rng.random(len(documents))
    found = map(sentences, documents)
    return [split[int(choice * len(split))] if split else "" for split, choice in zip(found, choices, strict=True)]


def oracle_sentences(
    documents: Sequence[str], references: Sequence[str], params: RougeParams, num_workers: int
) -> list[str]:
    """The extractive oracle of each pair, see :func:`oracle_extract`."""
    items = list(zip(documents, references, strict=True))
    return map_chunks(functools.partial(_oracle_chunk, params=params), items, num_workers, "oracle")


def _oracle_chunk(pairs: Sequence[tuple[str, str]], params: RougeParams) -> list[str]:
    tokenizer = rouge_tokenizer(params)
    return [oracle_extract(document, reference, tokenizer) for document, reference in pairs]


def oracle_extract(document: str, reference: str, tokenizer: RougeTokenizer) -> str:
    """The sentences that a greedy search with the reference at hand picks, in document order.

    As Nallapati et al. (2017, SummaRuNNer, section 2.2): the sentence that raises ROUGE most is added until none raises
    it. ROUGE is F1 of ROUGE-1 plus ROUGE-2 here, with bigrams within sentences. The first pick stands even if it scores
    nothing. This bounds, up to greediness, the systems that extract whole sentences; where the reference is shorter
    than a sentence, the best span of words would score higher.
    """
    candidates = sentences(document)
    if not candidates:
        return ""
    tokens = [tokenizer.tokenize(sentence) for sentence in candidates]
    reference_tokens = tokenizer.tokenize(reference)
    orders = [_NgramCounts(tokens, reference_tokens, n) for n in _ORACLE_ORDERS]
    chosen: list[int] = []
    best = -1.0
    while len(chosen) < len(candidates):
        scores = np.sum([order.scores_with_each() for order in orders], axis=0)
        scores[chosen] = -1.0
        pick = int(np.argmax(scores))
        if scores[pick] <= best + _SAME:
            break
        best = scores[pick]
        chosen.append(pick)
        for order in orders:
            order.add(pick)
    return " ".join(candidates[index] for index in sorted(chosen))


class _NgramCounts:
    """The n-grams that sentences share with a reference, and those of the sentences picked so far."""

    def __init__(self, tokens: Sequence[Sequence[str]], reference: Sequence[str], n: int) -> None:
        of_reference = Counter(ngrams(reference, n))
        columns = {ngram: column for column, ngram in enumerate(of_reference)}
        # Shapes: sentences × distinct n-grams of the reference; everything else only counts towards the lengths.
        self._of_sentence = np.zeros((len(tokens), len(columns)), dtype=np.int32)
        self._num_of_sentence = np.zeros(len(tokens), dtype=np.int64)
        for row, sentence in enumerate(tokens):
            of_sentence = ngrams(sentence, n)
            self._num_of_sentence[row] = len(of_sentence)
            for ngram in of_sentence:
                if ngram in columns:
                    self._of_sentence[row, columns[ngram]] += 1
        self._of_reference = np.fromiter(of_reference.values(), dtype=np.int32, count=len(columns))
        self._picked = np.zeros(len(columns), dtype=np.int32)
        self._num_picked = 0

    def scores_with_each(self) -> NDArray[np.float64]:
        """F1, shape (sentences,), of the picked sentences together with each sentence."""
        matched = np.minimum(self._picked + self._of_sentence, self._of_reference).sum(axis=1)
        lengths = self._num_picked + self._num_of_sentence + self._of_reference.sum()
        scores: NDArray[np.float64] = 2 * matched / np.maximum(1, lengths)
        return scores

    def add(self, sentence: int) -> None:
        """Takes a sentence to the picked ones."""
        self._picked += self._of_sentence[sentence]
        self._num_picked += int(self._num_of_sentence[sentence])


def baseline_summaries(
    documents: Sequence[str],
    references: Sequence[str],
    num_lead_words: int,
    params: EvaluateParams,
    num_workers: int,
) -> dict[str, list[str]]:
    """The summaries of every baseline, by its name in the reports."""
    return {
        "lead": [lead_words(document, num_lead_words) for document in documents],
        "first_sentence": [first_sentence(document) for document in documents],
        "random": random_sentences(documents, params.seed),
        "oracle": oracle_sentences(documents, references, params.rouge, num_workers),
    }
