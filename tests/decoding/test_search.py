"""Beam search over hand-made tables, against paper and brute force."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.decoding.constraints import coverage_penalty
from seq2sum.decoding.hypothesis import length_penalty
from seq2sum.decoding.search import beam_search
from tests.decoding.tables import BEGIN, END, Trace, random_tables, search, search_params

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


@given(seed=st.integers(0, 10_000), num_pieces=st.integers(1000, 1300))
@settings(max_examples=25, deadline=None)
def test_no_good_piece_of_a_large_vocabulary_is_overlooked(seed, num_pieces):
    table = random_tables(1, num_pieces, seed)
    table[:, :, END] = 0.001  # whatever comes first, the end is as unlikely
    best = table[0, BEGIN].masked_fill(torch.arange(num_pieces) < 2, 0.0).topk(2)
    hypotheses = search(table, beam_size=2, max_tokens=1, min_tokens=1)[0]
    assert [hypothesis.ids for hypothesis in hypotheses] == [[piece] for piece in best.indices.tolist()]


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


def never_reads_twice(log_probs, prefixes, documents):
    """A constraint: after a 2 comes no 2, and a 3 only in the first document."""
    if prefixes.shape[2]:
        after_two = prefixes[:, :, -1] == 2
        log_probs[:, :, 2].masked_fill_(after_two, -torch.inf)
        log_probs[:, :, 3].masked_fill_(after_two & (documents != 0).unsqueeze(1), -torch.inf)


def bonus_for_threes(state):
    """At most 0: the more of what was read are threes, the better."""
    return -0.7 / (1 + (state.read[:, :, 1:] == 3).sum(dim=2).float())


def every_hypothesis(table, max_tokens, min_tokens, alpha, is_constrained, has_bonus, block):
    """All that may be chosen in pieces 2, 3, 4 with their scores, best first."""
    every = []
    for length in range(min_tokens, max_tokens + 1):
        for ids in itertools.product([2, 3, 4], repeat=length):
            if is_constrained and (2, 2) in itertools.pairwise(ids):
                continue
            ngrams = [ids[start : start + block] for start in range(length - block + 1)] if block else []
            if len(set(ngrams)) < len(ngrams):
                continue
            log_prob = sum(table[a, b].log().item() for a, b in itertools.pairwise([BEGIN, *ids, END]))
            bonus = -0.7 / (1 + ids.count(3)) if has_bonus else 0.0
            every.append((log_prob / length_penalty(length + 1, alpha) + bonus, list(ids)))
    return sorted(every, reverse=True)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 1.5]),
    min_tokens=st.integers(0, 2),
    is_constrained=st.booleans(),
    has_bonus=st.booleans(),
    block=st.integers(0, 3),
    num_best=st.sampled_from([1, 2, 8, 130]),
)
def test_a_wide_beam_equals_brute_force(seed, alpha, min_tokens, is_constrained, has_bonus, block, num_best):
    (table,) = random_tables(1, 5, seed)
    every = every_hypothesis(table, 4, min_tokens, alpha, is_constrained, has_bonus, block)

    (found,) = search(
        table[None],
        constraints=[never_reads_twice] if is_constrained else [],
        end_bonus=bonus_for_threes if has_bonus else None,
        num_best=num_best,
        beam_size=130,
        block_ngrams=block,
        length_penalty=alpha,
        min_tokens=min_tokens,
        max_tokens=4,
    )

    # Of some, such as 3 2 3 3 and 3 3 2 3, the scores are the same.
    best = [score for score, _ in every[:num_best]]
    assert [hypothesis.score for hypothesis in found[:num_best]] == pytest.approx(best, abs=1e-5)
    assert len({tuple(hypothesis.ids) for hypothesis in found}) == len(found)
    if num_best > len(every):
        assert {tuple(hypothesis.ids) for hypothesis in found} == {tuple(ids) for _, ids in every}
    scores = {tuple(ids): score for score, ids in every}
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(scores[tuple(hypothesis.ids)], abs=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), beam_size=st.integers(1, 5), num_best=st.integers(1, 5))
def test_more_of_the_best_are_sorted_distinct_and_begin_as_fewer_do(seed, beam_size, num_best):
    num_best = min(num_best, beam_size)
    for hypotheses in search(random_tables(3, 6, seed), num_best=num_best, beam_size=beam_size, max_tokens=8):
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert num_best <= len(hypotheses) <= beam_size
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(hypothesis.ids) for hypothesis in hypotheses}) == len(hypotheses)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), beam_size=st.integers(1, 4), size=st.integers(0, 3), with_constraints=st.booleans())
def test_a_documents_result_does_not_depend_on_its_neighbours(seed, beam_size, size, with_constraints):
    tables = random_tables(4, 6, seed)
    changes = {"beam_size": beam_size, "max_tokens": 6, "length_penalty": 0.6, "block_ngrams": size}
    end_bonus = bonus_for_threes if with_constraints else None

    def constraints(first):
        def constrain(log_probs, prefixes, documents):
            never_reads_twice(log_probs, prefixes, documents + first)

        return [constrain] if with_constraints else []

    together = search(tables, constraints=constraints(0), end_bonus=end_bonus, **changes)
    alone = [search(tables[i : i + 1], constraints=constraints(i), end_bonus=end_bonus, **changes)[0] for i in range(4)]
    assert together == alone


def test_coverage_is_a_penalty_up_to_full_coverage_of_real_positions():
    coverage = torch.tensor([[[0.5, 1.5, 0.25, 0.0]], [[1.0, 1.0, 1.0, 1.0]]])
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    found = coverage_penalty(coverage, mask, beta=0.4)
    torch.testing.assert_close(found, torch.tensor([[0.4 * math.log(0.125)], [0.0]]))
    assert coverage_penalty(torch.zeros(1, 1, 4), mask[:1], beta=0.4).isfinite().all()


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_a_beam_of_one_is_greedy_search(seed):
    (table,) = random_tables(1, 6, seed)
    table[:, BEGIN] = 0
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
    beam_search(step, start, torch.tensor([[BEGIN]]), search_params(min_tokens=3), END, (BEGIN,))
    for read in seen:
        for path in read[0].tolist():
            assert path[0] == BEGIN
            assert all(TABLE[a, b] > 0 for a, b in itertools.pairwise(path))
    assert len({tuple(path) for path in seen[-1][0].tolist()}) == 2


def test_constraints_that_leave_nothing_give_no_hypothesis():
    # Two pieces without repetition cannot make three.
    assert search(TABLE[None], beam_size=2, min_tokens=3, max_tokens=6, block_ngrams=1) == [[]]
