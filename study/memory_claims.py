"""The text's claims on memory, gradients and gates, judged by the recall task."""

from study.judging import Judged, by_seeds, each
from study.results import Results, gradient_ratio, longest_solved_lag, norm_ratio
from study.settings import ClaimParams


def rnn_forgets(results: Results, params: ClaimParams) -> Judged:
    """The plain recurrent network on the recall task."""
    solved = [longest_solved_lag(run, params.solved_accuracy) for run in results.recall["rnn"]]
    longest = results.lags[-1]
    return Judged(
        "A traditional RNN has difficulty to learn long-term dependencies.",
        f"Longest lag that the RNN solves: {each(solved)} (tested up to {longest}).",
        f"Holds if it leaves lag {longest} below an accuracy of {params.solved_accuracy} with every seed.",
        by_seeds([lag < longest for lag in solved]),
    )


def lstm_remembers(results: Results, params: ClaimParams) -> Judged:
    """The LSTM on the recall task."""
    solved = [longest_solved_lag(run, params.solved_accuracy) for run in results.recall["lstm"]]
    longest = results.lags[-1]
    return Judged(
        "LSTMs are capable of learning long-term dependencies.",
        f"Longest lag that the LSTM solves: {each(solved)} (tested up to {longest}).",
        f"Holds if lag {longest} and all shorter ones reach an accuracy of {params.solved_accuracy} with every seed.",
        by_seeds([lag == longest for lag in solved]),
    )


def rnn_gradients_vanish(results: Results, params: ClaimParams) -> Judged:
    """The RNN's gradient against the lag."""
    before, after = ([gradient_ratio(run, when) for run in results.recall["rnn"]] for when in ("before", "after"))
    return Judged(
        "In traditional RNNs gradients vanish over long sequences.",
        f"Gradient at lag {results.lags[-1]} over that at lag {results.lags[0]}: {each(before)} before training, "
        f"{each(after)} after it.",
        f"Holds if it is below {params.vanished} before training with every seed.",
        by_seeds([ratio < params.vanished for ratio in before]),
    )


def rnn_gradients_explode(results: Results, params: ClaimParams) -> Judged:
    """The RNN's largest gradient while it is trained."""
    ratios = [norm_ratio(run) for run in results.recall["rnn"]]
    return Judged(
        "In traditional RNNs gradients explode over long sequences.",
        f"Largest gradient norm of the training over its first: {each(ratios)}.",
        f"Holds if it is above {params.exploded:g} with every seed.",
        by_seeds([ratio > params.exploded for ratio in ratios]),
    )


def lstm_gradients_last(results: Results, params: ClaimParams) -> Judged:
    """The LSTM's gradient against the lag."""
    before, after = ([gradient_ratio(run, when) for run in results.recall["lstm"]] for when in ("before", "after"))
    return Judged(
        "By its gates an LSTM deals with vanishing gradients.",
        f"Gradient at lag {results.lags[-1]} over that at lag {results.lags[0]}: {each(before)} before training, "
        f"{each(after)} after it.",
        f"Holds if it is at least {params.vanished} after training with every seed.",
        by_seeds([ratio >= params.vanished for ratio in after]),
    )


def lstm_gradients_stay_small(results: Results, params: ClaimParams) -> Judged:
    """The LSTM's largest gradient while it is trained."""
    ratios = [norm_ratio(run) for run in results.recall["lstm"]]
    return Judged(
        "By its gates an LSTM deals with exploding gradients.",
        f"Largest gradient norm of the training over its first: {each(ratios)}.",
        f"Holds if it is at most {params.exploded:g} with every seed.",
        by_seeds([ratio <= params.exploded for ratio in ratios]),
    )


def forget_gate_is_binary(results: Results, params: ClaimParams) -> Judged:
    """The distribution of the forget gate's values."""
    shares = []
    for run in results.recall["lstm"]:
        counts = run["forget_gate"]["histogram"]
        shares.append((counts[0] + counts[-1]) / sum(counts))
    return Judged(
        "The forget gate's activation gives a binary output.",
        f"Share of its values within 0.05 of 0 or 1, after training: {each(shares)}; the logistic function gives "
        "every value between.",
        f"Holds if the share is at least {params.binary_share} with every seed.",
        by_seeds([share >= params.binary_share for share in shares]),
    )


def forget_gate_forgets(results: Results, params: ClaimParams) -> Judged:
    """The answers if the forget gate is forced."""
    forced = [run["forget_gate"]["accuracy"] for run in results.recall["lstm"]]
    learnt, kept, gone = ([accuracy[way] for accuracy in forced] for way in ("as learnt", "open", "shut"))
    return Judged(
        "Where the forget gate is 0 information is forgotten, where it is 1 it is retained.",
        f"Accuracy with the gate as learnt {each(learnt)}, forced to 1 at all distractors {each(kept)}, "
        f"forced to 0 {each(gone)}.",
        f"Holds if forcing 1 keeps an accuracy of {params.solved_accuracy} and forcing 0 loses at least half of what "
        "was learnt, with every seed.",
        by_seeds(
            [
                one >= params.solved_accuracy and none <= whole / 2
                for whole, one, none in zip(learnt, kept, gone, strict=True)
            ]
        ),
    )


def candidate_is_bounded(results: Results, params: ClaimParams) -> Judged:
    """The range of the candidate."""
    ranges = [run["forget_gate"]["candidate"] for run in results.recall["lstm"]]
    least, greatest = min(low for low, _ in ranges), max(high for _, high in ranges)
    return Judged(
        "The candidate vector has values from −1 to +1.",
        f"Least and greatest value after training: {least:.4f} and {greatest:.4f}.",
        "Holds if none lies outside with any seed.",
        by_seeds([low >= -1 and high <= 1 for low, high in ranges]),
    )


def bilstm_reaches_further(results: Results, params: ClaimParams) -> Judged:
    """BiLSTM against LSTM on the recall task."""
    two, one = (
        [longest_solved_lag(run, params.solved_accuracy) for run in results.recall[encoder]]
        for encoder in ("bilstm", "lstm")
    )
    return Judged(
        "A bidirectional LSTM learns longer-range dependencies than one that reads forward only.",
        f"Longest lag solved: bidirectional {each(two)}, forward only {each(one)}. It sees both sides of a position, "
        "but each direction has to carry as far.",
        "Holds if it solves a longer lag with every seed.",
        by_seeds([both > ahead for both, ahead in zip(two, one, strict=True)]),
    )
