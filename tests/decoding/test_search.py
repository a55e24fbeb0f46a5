"""Beam search over hand-made tables: the next piece depends on the latest alone, so a reader can check on paper."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seq2sum.config import SearchParams
from seq2sum.decoding.constraints import length_penalty
from seq2sum.decoding.search import beam_search

END, BEGIN = 0, 1


@dataclass(frozen=True)
class Trace:
    """A state that remembers what was read, to show that states follow their beams."""

    read: Tensor

    def select(self, beam_indices):
        return Trace(self.read.gather(1, beam_indices.unsqueeze(2).expand(-1, -1, self.read.shape[2])))

    def keep(self, document_indices):
        return Trace(self.read[document_indices])


def search(tables: Tensor, forbidden=(BEGIN,), **changes):
    """Searches with one [V, V] table of next-piece probabilities per document."""
    values = {"beam_size": 2, "length_penalty": 0.0, "min_tokens": 0, "max_tokens": 4, "block_ngrams": 0}
    num_documents = len(tables)

    def step(latest, state):
        documents = state.read[:, :1, 0]
        state = Trace(torch.cat([state.read, latest.unsqueeze(2)], dim=2))
        return tables[documents, latest].log(), state

    start = Trace(torch.arange(num_documents).view(-1, 1, 1))
    begin = torch.full((num_documents, 1), BEGIN)
    return beam_search(step, start, begin, SearchParams(**(values | changes)), END, forbidden)


# Pieces: 0 end, 1 begin, 2 and 3. The greedy way starts with 2 (0.6), but 3 leads to a better whole:
# "2 end" has 0.6 · 0.4 = 0.24, "2 2 end" 0.6 · 0.3 · 0.4 = 0.072, "3 end" has 0.4 · 0.9 = 0.36.
TABLE = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.6, 0.4], [0.4, 0.0, 0.3, 0.3], [0.9, 0.0, 0.05, 0.05]])


def test_a_beam_finds_what_greedy_search_misses():
    greedy = search(TABLE[None], beam_size=1)[0]
    beam = search(TABLE[None], beam_size=2)[0]
    assert [hypothesis.ids for hypothesis in greedy] == [[2]]
    assert [hypothesis.ids for hypothesis in beam] == [[3], [2]]
    assert beam[0].score == pytest.approx(torch.tensor(0.36).log().item(), abs=1e-6)
    assert beam[1].score == pytest.approx(torch.tensor(0.24).log().item(), abs=1e-6)


def test_an_end_is_forced_at_the_longest_length_and_scored():
    never = torch.tensor([[0.25] * 4, [0.0, 0.0, 1.0, 0.0], [0.1, 0.0, 0.9, 0.0], [0.25] * 4])
    (hypothesis,) = search(never[None], beam_size=1, max_tokens=3)[0]
    assert hypothesis.ids == [2, 2, 2]
    assert hypothesis.score == pytest.approx(torch.tensor(0.9 * 0.9 * 0.1).log().item(), abs=1e-6)


def test_no_end_before_the_shortest_length():
    assert search(TABLE[None], beam_size=1, min_tokens=2)[0][0].ids == [2, 2]
    assert all(len(hypothesis.ids) >= 3 for hypothesis in search(TABLE[None], beam_size=3, min_tokens=3)[0])


def test_forbidden_pieces_are_never_chosen():
    table = torch.tensor([[0.25] * 4, [0.1, 0.0, 0.8, 0.1], [0.1, 0.0, 0.8, 0.1], [0.5, 0.0, 0.4, 0.1]])
    for hypothesis in search(table[None], beam_size=3, forbidden=(BEGIN, 2))[0]:
        assert 2 not in hypothesis.ids


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_of_the_blocked_size_comes_twice(size):
    torch.manual_seed(4)
    table = torch.rand(6, 5, 5)
    table[:, :, END] *= 0.01
    for hypotheses in search(table / table.sum(2, keepdim=True), beam_size=3, max_tokens=12, block_ngrams=size):
        for hypothesis in hypotheses:
            ngrams = list(zip(*(hypothesis.ids[start:] for start in range(size)), strict=False))
            assert len(ngrams) == len(set(ngrams))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), alpha=st.sampled_from([0.0, 0.6, 1.0]), min_tokens=st.integers(0, 2))
def test_a_wide_beam_equals_brute_force(seed, alpha, min_tokens):
    table = torch.rand(5, 5, generator=torch.Generator().manual_seed(seed)) + 0.01
    table = table / table.sum(1, keepdim=True)
    max_tokens = 3
    every = []
    for length in range(min_tokens, max_tokens + 1):
        for ids in itertools.product([2, 3, 4], repeat=length):
            path = [BEGIN, *ids, END]
            log_prob = sum(table[a, b].log().item() for a, b in itertools.pairwise(path))
            every.append((log_prob / length_penalty(length + 1, alpha), list(ids)))
    every.sort(reverse=True)

    found = search(table[None], beam_size=50, length_penalty=alpha, min_tokens=min_tokens, max_tokens=max_tokens)[0]

    assert found[0].ids == every[0][1]
    assert found[0].score == pytest.approx(every[0][0], abs=1e-5)
    for hypothesis in found:
        score = next(score for score, ids in every if ids == hypothesis.ids)
        assert hypothesis.score == pytest.approx(score, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), beam_size=st.integers(1, 4))
def test_a_documents_result_does_not_depend_on_its_neighbours(seed, beam_size):
    tables = torch.rand(4, 6, 6, generator=torch.Generator().manual_seed(seed)) + 0.01
    tables = tables / tables.sum(2, keepdim=True)
    together = search(tables, beam_size=beam_size, max_tokens=6, length_penalty=0.6)
    alone = [search(tables[i : i + 1], beam_size=beam_size, max_tokens=6, length_penalty=0.6)[0] for i in range(4)]
    assert together == alone


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_beam_of_one_is_greedy_search(seed):
    table = torch.rand(6, 6, generator=torch.Generator().manual_seed(seed)) + 0.01
    table[:, BEGIN] = 0
    table = table / table.sum(1, keepdim=True)
    latest, greedy = BEGIN, []
    while len(greedy) < 5 and (latest := int(table[latest].argmax())) != END:
        greedy.append(latest)
    assert search(table[None], beam_size=1, max_tokens=5)[0][0].ids == greedy


def test_states_follow_their_beams():
    seen = []

    def step(latest, state):
        state = Trace(torch.cat([state.read, latest.unsqueeze(2)], dim=2))
        seen.append(state.read.clone())
        return TABLE[latest].log(), state

    start = Trace(torch.zeros(1, 1, 0, dtype=torch.long))
    params = SearchParams(beam_size=2, length_penalty=0.0, min_tokens=3, max_tokens=4, block_ngrams=0)
    beam_search(step, start, torch.tensor([[BEGIN]]), params, END, (BEGIN,))
    for read in seen:
        for path in read[0].tolist():
            assert path[0] == BEGIN
            assert all(TABLE[a, b] > 0 for a, b in itertools.pairwise(path))
    assert len({tuple(path) for path in seen[-1][0].tolist()}) == 2


def test_constraints_that_leave_nothing_give_no_hypothesis():
    # Two pieces without repetition cannot make three.
    assert search(TABLE[None], beam_size=2, min_tokens=3, max_tokens=6, block_ngrams=1) == [[]]
