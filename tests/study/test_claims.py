"""The rules on made-up measurements whose verdict a reader can see."""

import base64
import copy
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from study import cost_claims, memory_claims
from study.claims import CLAIMS, judge_all
from study.judging import by_ratio, by_seeds
from study.page import page_of
from study.results import Results, cpu_seconds_to, longest_solved_lag
from tests.study.params import STUDY

PARAMS = STUDY.claims


def recall_run(accuracies=(1.0, 1.0, 1.0), gradients=(1.0, 0.1, 0.01), largest_norm=2.0, **gate):
    by_lag = dict(zip(("10", "100", "400"), gradients, strict=True))
    return {
        "seed": 1, "num_parameters": 5, "cpu_seconds": 2.0, "first_norm": 1.0, "largest_norm": largest_norm,
        "accuracy": dict(zip(("10", "100", "400"), accuracies, strict=True)),
        "gradient": {"before": by_lag, "after": by_lag},
        "forget_gate": {
            "histogram": [1] * 20, "example": [[0.5, 0.6]] * 4, "candidate": [-0.9, 0.9],
            "accuracy": {"as learnt": 1.0, "open": 0.95, "shut": 0.1},
        } | gate,
    }  # fmt: skip


def corpus_run(encoder, rouge=30.0, num_pairs=100, losses=(3.0, 2.0), cpu_seconds=10.0):
    spread = np.linspace(-1, 1, 40)
    kinds = ("rouge1", "rouge2", "rougeL")
    return {
        "encoder": encoder, "num_pairs": num_pairs, "num_parameters": 7, "steps": 20, "cpu_seconds": cpu_seconds,
        "wall_seconds": 6.0, "validation": {"steps": [10, 20], "losses": list(losses)},
        "rouge": {
            "model": {kind: (rouge + spread).tolist() for kind in kinds},
            "lead": {kind: (20 + spread).tolist() for kind in kinds},
        },
    }  # fmt: skip


def encoder_cost(short, long):
    by_length = {"10": short, "400": long}
    return {"num_parameters": 9, "seconds_per_token": {"1": by_length, "2": {"10": short / 2, "400": long / 2}}}


@pytest.fixture
def results():
    """All as the text says: the RNN forgets, the LSTM remembers, costs more and so on."""
    rnn = recall_run(accuracies=(1.0, 0.2, 0.1), gradients=(1.0, 1e-9, 1e-30), largest_norm=500.0)
    corpus = {
        "bilstm": corpus_run("bilstm", 33.0, losses=(2.5, 2.2), cpu_seconds=50.0),
        "lstm": corpus_run("lstm", 31.0),
        "conv_bilstm": corpus_run("conv_bilstm", 33.0),
        "feedforward": corpus_run("feedforward", 29.0, losses=(3.0, 2.4)),
    }
    return Results(
        recall={"rnn": [rnn, rnn], "lstm": [recall_run(), recall_run()], "bilstm": [recall_run(), recall_run()]},
        corpus=corpus,
        sizes={
            "bilstm": [corpus_run("bilstm", 20.0, 10), corpus["bilstm"]],
            "feedforward": [corpus_run("feedforward", 22.0, 10), corpus["feedforward"]],
        },
        cost={
            "encoders": {
                "lstm": encoder_cost(1e-6, 4e-6),
                "bilstm": encoder_cost(1e-6, 4e-6),
                "feedforward": encoder_cost(1e-7, 1e-7),
            },
            "decoder": {"10": {"at_once": 1.0, "stepwise": 2.0}, "60": {"at_once": 2.0, "stepwise": 9.0}},
        },
    )


def test_measurements_that_bear_the_text_out_make_its_claims_hold(results):
    verdicts = {judge.__name__: judge(results, PARAMS).verdict for judge in CLAIMS}
    against = {name for name, verdict in verdicts.items() if verdict != "holds"}
    # Ten per cent of the made-up gate's values are near 0 or 1, and the made-up LSTM solves what the BiLSTM solves.
    assert against == {"forget_gate_is_binary", "bilstm_reaches_further"}


def with_recall(results, encoder, **changes):
    runs = [recall_run(**changes), recall_run(**changes)]
    return Results({**results.recall, encoder: runs}, results.corpus, results.sizes, results.cost)


SURE_GATE = [50, *[0] * 18, 50]


@pytest.mark.parametrize(
    ("judge", "encoder", "changes", "verdict"),
    [
        (memory_claims.rnn_forgets, "rnn", {}, "does not hold"),
        (memory_claims.rnn_gradients_vanish, "rnn", {"gradients": (1.0, 0.5, 0.01)}, "does not hold"),
        (memory_claims.rnn_gradients_explode, "rnn", {"largest_norm": 3.0}, "does not hold"),
        (memory_claims.lstm_remembers, "lstm", {"accuracies": (1.0, 0.5, 1.0)}, "does not hold"),
        (memory_claims.lstm_gradients_last, "lstm", {"gradients": (1.0, 0.0, 0.0)}, "does not hold"),
        (memory_claims.lstm_gradients_stay_small, "lstm", {"largest_norm": 500.0}, "does not hold"),
        (memory_claims.bilstm_reaches_further, "lstm", {"accuracies": (1.0, 0.5, 0.1)}, "holds"),
        (memory_claims.forget_gate_is_binary, "lstm", {"histogram": SURE_GATE}, "holds"),
        (memory_claims.candidate_is_bounded, "lstm", {"candidate": [-0.9, 1.1]}, "does not hold"),
        (
            memory_claims.forget_gate_forgets, "lstm",
            {"accuracy": {"as learnt": 1.0, "open": 0.95, "shut": 0.9}}, "does not hold",
        ),
    ],
)  # fmt: skip
def test_other_measurements_give_another_verdict(results, judge, encoder, changes, verdict):
    assert judge(with_recall(results, encoder, **changes), PARAMS).verdict == verdict


def with_corpus(results, **runs):
    return Results(results.recall, {**results.corpus, **runs}, results.sizes, results.cost)


def test_a_difference_that_is_not_significant_settles_nothing(results):
    noisy = corpus_run("bilstm", 31.0)
    noisy["rouge"]["model"]["rouge1"] = (31.0 + np.tile([5.0, -5.1], 20)).tolist()
    assert cost_claims.bilstm_summarizes_better(with_corpus(results, bilstm=noisy), PARAMS).verdict == "not settled"
    worse = corpus_run("bilstm", 20.0)
    assert cost_claims.bilstm_summarizes_better(with_corpus(results, bilstm=worse), PARAMS).verdict == "does not hold"


def test_an_lstm_that_gets_there_sooner_refutes_longer_training(results):
    quick = corpus_run("bilstm", losses=(2.3, 2.2), cpu_seconds=12.0)
    judged = cost_claims.lstm_trains_longer(with_corpus(results, bilstm=quick), PARAMS)
    assert judged.verdict == "does not hold"
    assert "reaches it in 6 " in judged.measured
    never = corpus_run("bilstm", losses=(2.9, 2.8))
    assert cost_claims.lstm_trains_longer(with_corpus(results, bilstm=never), PARAMS).verdict == "holds"


def test_a_convolution_that_costs_quality_is_told(results):
    worse = corpus_run("conv_bilstm", 25.0)
    assert (
        cost_claims.lstm_joins_convolution(with_corpus(results, conv_bilstm=worse), PARAMS).verdict == "does not hold"
    )


def test_costs_about_equal_settle_nothing(results):
    cost = copy.deepcopy(results.cost)
    cost["encoders"]["lstm"] = encoder_cost(1e-7, 1.1e-7)
    cost["decoder"]["60"] = {"at_once": 2.0, "stepwise": 1.9}
    equal = Results(results.recall, results.corpus, results.sizes, cost)
    for judge in (cost_claims.lstm_costs_more, cost_claims.lstm_is_sequential, cost_claims.decoder_wins_back):
        assert judge(equal, PARAMS).verdict == "not settled"


def test_rules_of_seeds_and_ratios():
    assert [by_seeds(signs) for signs in ([True, True], [True, False], [False, False])] == [
        "holds", "not settled", "does not hold",
    ]  # fmt: skip
    assert [by_ratio(ratio, 2.0) for ratio in (2.0, 1.9, 0.6, 0.5)] == [
        "holds", "not settled", "not settled", "does not hold",
    ]  # fmt: skip


def test_a_lag_counts_as_solved_only_with_all_shorter_ones():
    solved = [(1.0, 0.9, 0.9), (1.0, 0.8, 1.0), (0.5, 1.0, 1.0)]
    assert [longest_solved_lag(recall_run(accuracies=one), 0.9) for one in solved] == [400, 10, 0]


def test_time_to_a_loss_is_the_share_of_the_steps_until_then():
    run = corpus_run("lstm", losses=(3.0, 2.0), cpu_seconds=10.0)
    assert [cpu_seconds_to(run, loss) for loss in (3.5, 3.0, 2.5, 1.0)] == [5.0, 5.0, 10.0, None]


def test_the_page_says_every_verdict_and_holds_pictures_that_parse(results):
    judged = judge_all(results, PARAMS)
    page = page_of(results, judged, STUDY)
    for one in judged:
        assert one.verdict in page
    assert "0.9" in page
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(pictures) == 7
    for picture in pictures:
        root = ElementTree.fromstring(base64.b64decode(picture))
        assert root.tag.endswith("svg")
    assert page == page_of(results, judged, STUDY)
