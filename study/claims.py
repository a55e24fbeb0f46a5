"""The claims of the seed text in its order; each is judged by a rule from measured numbers."""

from collections.abc import Callable, Sequence

from study import cost_claims, memory_claims
from study.judging import Judged
from study.results import Results
from study.settings import ClaimParams

CLAIMS: Sequence[Callable[[Results, ClaimParams], Judged]] = (
    memory_claims.rnn_forgets,
    memory_claims.lstm_remembers,
    memory_claims.rnn_gradients_vanish,
    memory_claims.rnn_gradients_explode,
    memory_claims.lstm_gradients_last,
    memory_claims.lstm_gradients_stay_small,
    cost_claims.lstm_joins_convolution,
    memory_claims.bilstm_reaches_further,
    cost_claims.bilstm_summarizes_better,
    memory_claims.forget_gate_is_binary,
    memory_claims.forget_gate_forgets,
    memory_claims.candidate_is_bounded,
    cost_claims.lstm_costs_more,
    cost_claims.lstm_trains_longer,
    cost_claims.lstm_needs_more_data,
    cost_claims.lstm_is_sequential,
    cost_claims.decoder_wins_back,
)


def judge_all(results: Results, params: ClaimParams) -> list[Judged]:
    """Every claim, in the text's order."""
    return [judge(results, params) for judge in CLAIMS]
