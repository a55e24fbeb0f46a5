"""Source support: whether a document holds the numbers and the capitalised words that its summary names.

A *claim* is a word with a digit or an upper-case letter. It is supported if the document holds the same word, whatever
the case of either: headings and the starts of sentences capitalise what stands small elsewhere. One more word may pass:
the first of a summary, written with a capital, if it is *ordinary*, see :func:`ordinary_words`. Numbers in words
("three") are no claims.
"""

import re
from collections.abc import Container, Sequence

from seq2sum.data.overlap import sentences, word_pattern

# Between two digits these belong to a number: 3.5, 1,200, 10:30.
NUMBER_JOINERS = ".,:"
_TOKEN = re.compile(r"[^\W_]+")


def cased_words(text: str) -> list[str]:
    """The words of :func:`seq2sum.data.overlap.words` in their own case, and numbers with what joins their digits."""
    spans: list[tuple[int, int]] = []
    for match in word_pattern().finditer(text):
        start, end = match.span()
        if spans and _joins_digits(text, spans[-1][1], start):
            start = spans.pop()[0]
        spans.append((start, end))
    return [text[start:end] for start, end in spans]


def _joins_digits(text: str, end: int, start: int) -> bool:
    """Whether what stands between a word's ``end`` and the next one's ``start`` makes them one number."""
    return start == end + 1 and text[end] in NUMBER_JOINERS and text[end - 1].isdigit() and text[start].isdigit()


def is_claim(word: str) -> bool:
    """Whether ``word`` has a digit or an upper-case letter."""
    return any(letter.isdigit() or letter.isupper() or letter.istitle() for letter in word)


def known_words(document: str) -> frozenset[str]:
    """What supports a claim: the document's words, lower-cased."""
    return frozenset(word.lower() for word in cased_words(document))


def unsupported_claims(summary: str, document: str, ordinary: Container[str] = ()) -> list[str]:
    """The claims of ``summary`` that ``document`` does not support, in order. ``ordinary`` words are lower-cased."""
    known = known_words(document)
    return [
        word
        for place, word in enumerate(cased_words(summary))
        if is_claim(word)
        and word.lower() not in known
        and not (place == 0 and word == word.capitalize() and word.lower() in ordinary)
    ]


def ordinary_words(pieces: Sequence[bytes]) -> frozenset[str]:
    """The words that the vocabulary ``pieces`` shows to be no names: whole pieces, small earlier than capitalised.

    Pieces are in the order in which they were learnt, so that a word comes before its capitalised form if the training
    texts write it small more often.
    """
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = set()
    for number, piece in enumerate(pieces):
        word = piece[1:].decode("utf-8", errors="replace")
        if piece[:1] == b" " and word.isalpha() and word.islower() and cased_words(word) == [word]:
            capitalised = b" " + word.capitalize().encode()
            if number < ids.get(capitalised, len(pieces)):
                found.add(word)
    return frozenset(found)


def unsupported_share(document: str, summary: str) -> float:
    """Share of a summary's numbers and capitalised names that its document does not hold; 0 if it has none.

    For measuring, where no vocabulary tells which first words are ordinary. A number is a word with a digit. A name is
    a word with a capital letter, but not the capital alone that begins a sentence. Compared by words, whatever their
    case.
    """
    claims = [claim.lower() for sentence in sentences(summary) for claim in _telling_words(sentence)]
    if not claims:
        return 0.0
    held = set(_TOKEN.findall(document.lower()))
    return sum(claim not in held for claim in claims) / len(claims)


def _telling_words(sentence: str) -> list[str]:
    tokens = _TOKEN.findall(sentence)
    return [token for position, token in enumerate(tokens) if _is_telling(token, begins_sentence=position == 0)]


def _is_telling(token: str, *, begins_sentence: bool) -> bool:
    telling = token[1:] if begins_sentence else token
    return any(map(str.isdigit, token)) or any(map(str.isupper, telling))
