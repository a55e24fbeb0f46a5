"""The text's claims on quality, cost and data, judged by the corpus and the clock."""

from study.judging import Judged, by_ratio, compare, significance_rule
from study.results import Results, cpu_seconds_to, mean_score, seconds_per_token
from study.settings import ClaimParams


def bilstm_summarizes_better(results: Results, params: ClaimParams) -> Judged:
    """BiLSTM against LSTM on the corpus."""
    verdict, difference = compare(results.corpus["bilstm"], results.corpus["lstm"], params)
    losses = {name: min(results.corpus[name]["validation"]["losses"]) for name in ("bilstm", "lstm")}
    return Judged(
        "Reading in both directions serves text summarization.",
        f"Bidirectional less forward only, states of equal size: {difference}; validation loss {losses['bilstm']:.3f} "
        f"against {losses['lstm']:.3f}.",
        significance_rule("higher", params),
        verdict,
    )


def lstm_joins_convolution(results: Results, params: ClaimParams) -> Judged:
    """The convolution in front of the BiLSTM, on the corpus."""
    verdict, difference = compare(results.corpus["bilstm"], results.corpus["conv_bilstm"], params)
    saved = 1 - results.corpus["conv_bilstm"]["cpu_seconds"] / results.corpus["bilstm"]["cpu_seconds"]
    return Judged(
        "LSTMs can be combined with convolutional networks.",
        f"BiLSTM less BiLSTM behind a convolution that shortens the sequence: {difference}; the convolution saves "
        f"{saved:.0%} of the training's CPU time.",
        f"Holds unless ROUGE-1 is lower with the convolution at p < {params.significance}.",
        "does not hold" if verdict == "holds" else "holds",
    )


def lstm_costs_more(results: Results, params: ClaimParams) -> Judged:
    """Time per token and parameters, LSTMs against no recurrence."""
    length = results.lengths[-1]
    times = {name: seconds_per_token(results, name, length) for name in ("lstm", "bilstm", "feedforward")}
    sizes = {name: results.cost["encoders"][name]["num_parameters"] for name in times}
    return Judged(
        "LSTMs are computationally more expensive than feed-forward networks.",
        "; ".join(f"{name} {times[name] * 1e6:.2f} µs a token, {sizes[name]:,} parameters" for name in times)
        + f" (rows of {length}, one thread, forward and backward).",
        f"Holds if the LSTM takes at least {params.ratio:g} times as long for a token as the feed-forward encoder.",
        by_ratio(times["lstm"] / times["feedforward"], params.ratio),
    )


def lstm_trains_longer(results: Results, params: ClaimParams) -> Judged:
    """CPU time to the feed-forward encoder's quality."""
    lstm, plain = results.corpus["bilstm"], results.corpus["feedforward"]
    best = min(plain["validation"]["losses"])
    own, reached = cpu_seconds_to(plain, best), cpu_seconds_to(lstm, best)
    assert own is not None
    return Judged(
        "LSTMs need longer training to achieve high performance.",
        f"The feed-forward encoder's best validation loss, {best:.3f}, takes it {own:.0f} CPU seconds; the BiLSTM "
        + ("never reaches it" if reached is None else f"reaches it in {reached:.0f}")
        + f" and ends at {min(lstm['validation']['losses']):.3f} after {lstm['cpu_seconds']:.0f} "
        f"(the other: {plain['cpu_seconds']:.0f}).",
        f"Holds if the BiLSTM takes at least {params.ratio:g} times as long to that loss or never reaches it.",
        "holds" if reached is None else by_ratio(reached / own, params.ratio),
    )


def lstm_needs_more_data(results: Results, params: ClaimParams) -> Judged:
    """BiLSTM against feed-forward on the fewest training pairs, and the lead baseline."""
    lstm, plain = results.sizes["bilstm"], results.sizes["feedforward"]
    verdict, difference = compare(plain[0], lstm[0], params)
    means = ", ".join(
        f"{run['num_pairs']:,}: {mean_score(run):.1f} and {mean_score(other):.1f}"
        for run, other in zip(lstm, plain, strict=True)
    )
    return Judged(
        "LSTMs need more data than simpler models.",
        f"ROUGE-1 of BiLSTM and feed-forward by number of training pairs: {means} (lead baseline "
        f"{mean_score(lstm[-1], system='lead'):.1f}). On the fewest, feed-forward less BiLSTM: {difference}.",
        f"Judged on the fewest pairs: {significance_rule('higher for the feed-forward encoder', params).lower()}",
        verdict,
    )


def lstm_is_sequential(results: Results, params: ClaimParams) -> Judged:
    """Time per token against row length, at equal tokens a batch."""
    short, long = results.lengths[0], results.lengths[-1]
    growth = {
        name: seconds_per_token(results, name, long) / seconds_per_token(results, name, short)
        for name in ("lstm", "feedforward")
    }
    threads = max(results.cost["encoders"]["lstm"]["seconds_per_token"], key=int)
    gain = {
        name: seconds_per_token(results, name, long) / seconds_per_token(results, name, long, threads)
        for name in growth
    }
    return Judged(
        "Because it works word by word, an LSTM is hard to parallelize.",
        f"With the same tokens in a batch, rows of {long} instead of {short} make a token cost "
        f"{growth['lstm']:.2f} times as much for the LSTM and {growth['feedforward']:.2f} times for the feed-forward "
        f"encoder. {threads} thread(s) instead of one make them {gain['lstm']:.2f} and {gain['feedforward']:.2f} times "
        "as fast.",
        f"Holds if the LSTM's cost grows at least {params.ratio:g} times as much with the length.",
        by_ratio(growth["lstm"] / growth["feedforward"], params.ratio),
    )


def decoder_wins_back(results: Results, params: ClaimParams) -> Judged:
    """The decoder with all steps at once against one after the other."""
    costs = {int(steps): cost for steps, cost in results.cost["decoder"].items()}
    gains = {steps: cost["stepwise"] / cost["at_once"] for steps, cost in sorted(costs.items())}
    return Judged(
        "(Ours, not the text's) A decoder without input feeding wins part of that back in training.",
        "All steps at once instead of one after the other is "
        + ", ".join(f"{gain:.1f} times as fast for {steps} steps" for steps, gain in gains.items())
        + "; the results are equal.",
        f"Holds if it is at least {params.ratio:g} times as fast for the most steps.",
        by_ratio(gains[max(gains)], params.ratio),
    )
