import random
from collections.abc import Iterator

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.duplicates import DuplicateIndex, Fingerprint, Match, jaccard, lsh_bands, shingles
from seq2sum.data.overlap import words

SIMILARITY = 0.8

few_words = st.lists(st.sampled_from("abc"), max_size=10)


def sets_of_runs(document_words: list[str], size: int) -> set[tuple[str, ...]]:
    if len(document_words) < size:
        return {tuple(document_words)} if document_words else set()
    return {tuple(document_words[i : i + size]) for i in range(len(document_words) - size + 1)}


@given(few_words, few_words, st.integers(1, 3))
def test_jaccard_of_shingles_is_that_of_the_sets_of_runs(left: list[str], right: list[str], size: int) -> None:
    left_set, right_set = sets_of_runs(left, size), sets_of_runs(right, size)
    expected = len(left_set & right_set) / len(left_set | right_set) if left_set | right_set else 0.0
    assert jaccard(shingles(left, size), shingles(right, size)) == pytest.approx(expected)


def test_shingles_of_many_words_do_not_collide() -> None:
    vocabulary = [f"word{number}" for number in range(20_000)]
    assert len(shingles(vocabulary, 1)) == 20_000
    assert len(shingles(vocabulary, 3)) >= 19_998 - 1  # 32 bits: some 0.05 collisions are expected
    assert not np.intersect1d(shingles(["a", "b"], 2), shingles(["b", "a"], 2)).size


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("num_permutations", [16, 64, 128])
def test_bands_propose_nearly_all_pairs_as_similar_as_asked(similarity: float, num_permutations: int) -> None:
    num_bands, width = lsh_bands(similarity, num_permutations)
    assert num_bands * width <= num_permutations
    agree = np.random.default_rng(1).random((4000, num_bands, width)) < similarity
    assert agree.all(axis=2).any(axis=1).mean() > 0.98


@pytest.fixture
def index() -> Iterator[DuplicateIndex]:
    with DuplicateIndex(SIMILARITY, shingle_words=3, num_permutations=64, seed=1) as index:
        yield index


def print_of(index: DuplicateIndex, document: str) -> Fingerprint:
    return index.fingerprint(document, words(document))


def random_document(rng: random.Random, num_words: int = 60) -> list[str]:
    return [f"w{rng.randrange(5000)}" for _ in range(num_words)]


def with_changed_words(rng: random.Random, document: list[str], num_changes: int) -> list[str]:
    changed = list(document)
    for position in rng.sample(range(len(document)), num_changes):
        changed[position] = f"x{rng.randrange(5000)}"
    return changed


def test_finds_what_brute_force_finds(index: DuplicateIndex) -> None:
    rng = random.Random(1)
    originals = [random_document(rng) for _ in range(300)]
    for position, document in enumerate(originals):
        index.add(print_of(index, " ".join(document)), str(position))
    num_alike = num_found = 0
    for position, original in enumerate(originals):
        for num_changes in (1, 2, 3, 5):
            changed = with_changed_words(rng, original, num_changes)
            left, right = sets_of_runs(original, 3), sets_of_runs(changed, 3)
            alike = len(left & right) / len(left | right) >= SIMILARITY
            match = index.find(print_of(index, " ".join(changed)))
            assert match in (None, Match("near_duplicate", str(position)))
            assert match is None or alike
            num_alike += alike
            num_found += match is not None
    assert num_alike > 400
    assert num_found >= 0.98 * num_alike


def test_the_same_text_is_an_exact_duplicate_whatever_its_white_space(index: DuplicateIndex) -> None:
    index.add(print_of(index, "one two three four"), "it")
    assert index.find(print_of(index, "one  two\nthree four ")) == Match("exact_duplicate", "it")
    assert index.find(print_of(index, "One two three, four!")) == Match("near_duplicate", "it")
    assert index.find(print_of(index, "four three two one")) is None


def test_the_first_of_several_is_found(index: DuplicateIndex) -> None:
    document = " ".join(random_document(random.Random(1)))
    for name, added in zip("abcd", ("something else entirely here", document, document + "!", document), strict=True):
        index.add(print_of(index, added), name)
    assert index.find(print_of(index, document)) == Match("exact_duplicate", "b")
    assert index.find(print_of(index, document + "?")) == Match("near_duplicate", "b")


def test_documents_without_words_are_near_nothing(index: DuplicateIndex) -> None:
    index.add(print_of(index, "!!!"), "it")
    assert index.find(print_of(index, "???")) is None
    assert index.find(print_of(index, "!!!")) == Match("exact_duplicate", "it")


@given(st.lists(few_words.map(" ".join), max_size=8))
def test_small_documents_match_as_by_brute_force(documents: list[str]) -> None:
    with DuplicateIndex(SIMILARITY, shingle_words=2, num_permutations=64, seed=1) as index:
        for position, document in enumerate(documents):
            match = index.find(print_of(index, document))
            if match and match.kind == "exact_duplicate":
                assert documents.index(document) == int(match.name) < position
            elif match:
                assert document not in documents[:position]
                left, right = (sets_of_runs(text.split(), 2) for text in (document, documents[int(match.name)]))
                assert len(left & right) >= SIMILARITY * len(left | right) - 1e-9
            else:
                assert document not in documents[:position]
            index.add(print_of(index, document), str(position))


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=12), st.sampled_from([0.3, 0.6, 0.9, 1.0]))
def test_what_is_found_is_what_datasketchs_own_index_would_find(documents: list[list[str]], similarity: float) -> None:
    num_permutations = 8  # so few that it misses some
    bands = lsh_bands(similarity, num_permutations)
    lsh = MinHashLSH(num_perm=num_permutations, params=bands)
    of_text: dict[str, str] = {}
    runs = [shingles(document, 2) for document in documents]
    with DuplicateIndex(similarity, shingle_words=2, num_permutations=num_permutations, seed=1) as index:
        for position, document in enumerate(documents):
            minhash = MinHash(num_permutations, seed=1, hashfunc=int, scheme="affine32")
            minhash.update_batch(runs[position].tolist())
            candidates = sorted(lsh.query(minhash)) if document else []
            alike = [other for other in candidates if jaccard(runs[position], runs[other]) >= similarity]
            text = " ".join(document)
            expected = Match("near_duplicate", str(alike[0])) if alike else None
            if text in of_text:
                expected = Match("exact_duplicate", of_text[text])
            found = index.fingerprint(text, document)
            assert index.find(found) == expected
            index.add(found, str(position))
            lsh.insert(position, minhash)
            of_text.setdefault(text, str(position))
