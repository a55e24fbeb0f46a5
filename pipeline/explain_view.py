"""An explained summary word by word: what was copied, from where, and what was looked at; as text and as JSON."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.terminal import coloured, columns, has_colours
from seq2sum.explain import Explanation

_COPIED, _GENERATED = "green", "yellow"
_MOST_LOOKED_AT = 3


@dataclass(frozen=True)
class Place:
    """A word of the document, the characters [start, end) that it takes, and its share of copying or attention."""

    text: str
    start: int
    end: int
    share: float


@dataclass(frozen=True)
class WordOrigin:
    """A word of a summary. ``probability`` is its pieces' product, ``copied`` the mean share of copying in them.

    ``sources``: the document's words that it could be copied from; ``looked_at``: those that the attention was on. Of
    both the largest shares first.
    """

    text: str
    probability: float
    copied: float
    is_copied: bool
    sources: tuple[Place, ...]
    looked_at: tuple[Place, ...]


def word_origins(document: str, explanation: Explanation) -> list[WordOrigin]:
    """The explained summary's words, with words of the document in the place of its pieces."""
    spans = [match.span() for match in re.finditer(r"\S+", document)]
    word_of = _word_of_each_position(explanation, spans)
    found = []
    for word in explanation.words:
        looked_at = [
            pair for origin in explanation.origins[word.first : word.last] for pair in enumerate(origin.attention)
        ]
        places = [_places(document, spans, word_of, weighted) for weighted in (word.sources, looked_at)]
        found.append(WordOrigin(word.text, word.probability, word.copied, word.is_copied, *places))
    return found


def _word_of_each_position(explanation: Explanation, spans: Sequence[tuple[int, int]]) -> list[int | None]:
    """For each piece of the document the index of the word that it begins in; None for white space alone."""
    words = []
    index = 0
    for start, _ in explanation.source_spans:
        while index < len(spans) and spans[index][1] <= start:
            index += 1
        words.append(index if index < len(spans) and spans[index][0] <= start else None)
    return words


def _places(
    document: str,
    spans: Sequence[tuple[int, int]],
    word_of: Sequence[int | None],
    weighted: Iterable[tuple[int, float]],
) -> tuple[Place, ...]:
    """The document's words by their shares of the weights of positions, the largest first."""
    totals: dict[int, float] = {}
    for position, weight in weighted:
        word = word_of[position]
        if word is not None and weight > 0:
            totals[word] = totals.get(word, 0.0) + weight
    whole = sum(totals.values()) or 1.0
    ordered = sorted(totals.items(), key=lambda item: -item[1])[:_MOST_LOOKED_AT]
    return tuple(Place(document[slice(*spans[word])], *spans[word], weight / whole) for word, weight in ordered)


def as_text(document: str, words: Sequence[WordOrigin]) -> str:
    """The summary with its copied words marked, a table of its words, and the document with the places of origin."""
    summary = " ".join(_marked(word.text, _COPIED if word.is_copied else _GENERATED) for word in words)
    rows = [("word", "probability", "copied", "from", "looked at")]
    for word in words:
        source = f"{word.sources[0].text} (at {word.sources[0].start})" if word.is_copied and word.sources else ""
        looked_at = ", ".join(f"{place.text} {place.share:.0%}" for place in word.looked_at)
        rows.append((word.text, f"{word.probability:.3f}", f"{word.copied:.0%}", source, looked_at))
    table = columns(rows, [None, *(_COPIED if word.is_copied else _GENERATED for word in words)])
    legend = "copied, generated" if has_colours() else "[copied], generated"
    return "\n".join([f"{summary or '(nothing)'}    ({legend})", "", table, "", _marked_document(document, words)])


def as_json(source: str, words: Sequence[WordOrigin], explanation: Explanation) -> dict[str, Any]:
    """The same for programs. Characters are counted from 0 in the document as it was read."""
    return {
        "source": source,
        "summary": " ".join(word.text for word in words),
        "log_prob": explanation.log_prob,
        "truncated": explanation.truncated,
        "words": [
            {
                "word": word.text,
                "probability": word.probability,
                "copied": word.copied,
                "sources": [vars(place) for place in word.sources],
                "looked_at": [vars(place) for place in word.looked_at],
            }
            for word in words
        ],
    }


def _marked(text: str, colour: str) -> str:
    if has_colours():
        return coloured(text, colour)
    return f"[{text}]" if colour == _COPIED else text


def _marked_document(document: str, words: Sequence[WordOrigin]) -> str:
    """The document with the words marked that copied words are most likely from."""
    places = {word.sources[0].start: word.sources[0].end for word in words if word.is_copied and word.sources}
    parts, last = [], 0
    for start, end in sorted(places.items()):
        parts += [document[last:start], _marked(document[start:end], _COPIED)]
        last = end
    return "".join([*parts, document[last:]]).strip()
