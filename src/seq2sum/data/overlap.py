"""Measures of how a summary's words relate to its document's, and the word and sentence splitting under them.

The data report and the evaluation share these, so that a model's copying is measured as the data's is.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence

# Han and kana are written without spaces: each character counts as a word, as in character-level scoring of Chinese.
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ASCII_WORD = re.compile(r"[a-z0-9]+")

_TERMINATORS = ".!?…‼⁇⁈⁉।॥؟۔։"
_UNSPACED_TERMINATORS = "。！？｡"
_CLOSERS = "\"'”’»›)\\]}」』）】〉》"
# Possessive and anchored at the run's start, so that a megabyte of dots takes linear time.
_SENTENCE_END = re.compile(
    rf"(?<![{_TERMINATORS}])[{_TERMINATORS}]++[{_CLOSERS}]*+(?=\s+(?P<next>[(\[]?\S))"
    rf"|[{_UNSPACED_TERMINATORS}]+[{_TERMINATORS}{_CLOSERS}]*(?=.)"
)
_TOKEN_BREAK = re.compile(r"[\s(\[{\"'“‘«]")
_LONGEST_TOKEN = 24  # characters before a full stop that can matter: more is no abbreviation
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
# Words whose full stop does not end a sentence even before a capital letter …
_ABBREVIATION = re.compile(
    r"adm|al|approx|capt|cf|col|dept|dr|esp|fr|gen|gov|hon|lt|messrs|mr|mrs|ms|mt|prof|rep|rev|sen|sgt|st|viz|vs",
    re.IGNORECASE,
)
# … and those of which that is so before a number alone: "no. 5", but "He said no. Then he left."
_NUMBER_ABBREVIATION = re.compile(
    r"apr|art|aug|ch|dec|eq|eqs|feb|fig|figs|jan|jul|jun|mar|no|nos|nov|nr|oct|p|pp|ref|refs|sec|sect|sep|sept|tab|vol",
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    """The lower-cased runs of letters, digits and their combining marks, of any script; all else separates.

    Han and kana give a word per character. Scripts without spaces otherwise (Thai, Khmer) give a word per clause.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return word_pattern().findall(text.lower())


@functools.cache
def word_pattern() -> re.Pattern[str]:
    """Matches a word of any script, in whatever case.

    Like ``\\w`` without the underscore, but with combining marks, which ``re`` does not take for word characters.
    """
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c).startswith("M"))
    joiners = "\u200c\u200d"
    inside = rf"[{marks}{joiners}]"
    return re.compile(rf"[{_UNSPACED}]{inside}*|(?:[^\W_{_UNSPACED}]{inside}*)+")


def sentences(text: str) -> list[str]:
    """The sentences of ``text``, stripped, none empty. Nothing but white space between them is lost.

    A line break ends a sentence; so does closing punctuation with its quotes and brackets before white space, unless
    the next word starts in lower case or the full stop belongs to an abbreviation, an initial or a list number.
    Chinese and Japanese punctuation needs no white space.
    """
    return [sentence for line in text.splitlines() for sentence in _split_line(line.strip())]


def _split_line(line: str) -> Iterator[str]:
    start = 0
    for mark in _SENTENCE_END.finditer(line):
        if _ends_sentence(line, start, mark):
            yield line[start : mark.end()].strip()
            start = mark.end()
    if line[start:].strip():
        yield line[start:].strip()


def _ends_sentence(line: str, start: int, mark: re.Match[str]) -> bool:
    """Whether the punctuation ``mark`` ends the sentence that began at ``start``."""
    following = mark["next"]
    if following is None:
        return True
    if len(mark.group()) == 1 and line[mark.start() - 1].isspace():  # it stands alone: tokenized text
        return True
    if following.islower():
        return False
    if mark.group() != ".":
        return True
    before = line[max(start, mark.start() - _LONGEST_TOKEN) : mark.start()]
    token = _TOKEN_BREAK.split(before)[-1]
    if before.strip().isdigit() or _INITIALS.fullmatch(token) or _ABBREVIATION.fullmatch(token):
        return False
    return not (_NUMBER_ABBREVIATION.fullmatch(token) and following[-1].isdigit())


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams of ``tokens`` in order, repeats included; none where there are fewer than ``n`` tokens."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def novel_ngram_share(document_words: Sequence[str], summary_words: Sequence[str], n: int) -> float:
    """Share of the summary's n-grams (each occurrence counts) that the document does not hold; 0 if it has none."""
    of_summary = ngrams(summary_words, n)
    of_document = set(ngrams(document_words, n))
    return sum(ngram not in of_document for ngram in of_summary) / max(1, len(of_summary))


def repetition(summary_words: Sequence[str], n: int) -> float:
    """Share of the summary's n-grams that occurred earlier in the same summary; 0 if it has none."""
    of_summary = ngrams(summary_words, n)
    return 1 - len(set(of_summary)) / len(of_summary) if of_summary else 0.0


def extractive_fragments(document_words: Sequence[str], summary_words: Sequence[str]) -> list[list[str]]:
    """The runs of words that the summary shares with its document: F(A, S) of Grusky et al. (2018, Newsroom).

    From left to right the longest run that starts at a summary word and stands in the document is taken, and the
    search goes on behind it; a word that is not in the document is passed over.
    """
    positions: dict[str, list[int]] = {}
    wanted = set(summary_words)
    for position, word in enumerate(document_words):
        if word in wanted:
            positions.setdefault(word, []).append(position)
    fragments = []
    start = 0
    while start < len(summary_words):
        longest = 0
        for position in positions.get(summary_words[start], ()):
            longest = max(longest, _common_prefix(document_words, position, summary_words, start))
            if start + longest == len(summary_words):
                break
        if longest:
            fragments.append(list(summary_words[start : start + longest]))
        start += max(1, longest)
    return fragments


def _common_prefix(left: Sequence[str], left_start: int, right: Sequence[str], right_start: int) -> int:
    longest = min(len(left) - left_start, len(right) - right_start)
    for length in range(longest):
        if left[left_start + length] != right[right_start + length]:
            return length
    return longest


def coverage_and_density(document_words: Sequence[str], summary_words: Sequence[str]) -> tuple[float, float]:
    """Extractive coverage and density (Grusky et al. 2018, Newsroom); both 0 for an empty summary.

    Coverage is the share of summary words that lie in a fragment; density is the mean, over the summary's words, of
    the length of the fragment that each lies in.
    """
    lengths = [len(fragment) for fragment in extractive_fragments(document_words, summary_words)]
    total = max(1, len(summary_words))
    return sum(lengths) / total, sum(length * length for length in lengths) / total
