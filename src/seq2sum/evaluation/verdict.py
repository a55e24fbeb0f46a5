"""Whether the model earns its place beside the lead baselines, in words; and where not, what may be the cause."""

from collections.abc import Mapping
from typing import Any

from seq2sum.evaluation.table import system_names

# Below these a network that starts from nothing has seen too little; measured on corpora of e-mails and descriptions.
ENOUGH_PAIRS = 5_000
ENOUGH_PASSES = 5.0
LARGE_CUT_SHARE = 0.2
# ROUGE-1 between the best lead and the sentence oracle below which first sentences are the summaries already.
SMALL_MARGIN = 3.0
LEVEL = 0.05
# Share of the references' words that ROUGE does not see, from which on it judges something else than the summaries.
MUCH_UNREAD = 0.1


_UNREAD = (
    "These scores mean little: the `rouge` tokenizer reads [a-z0-9] alone and so saw nothing in {:.0%} of the "
    "references' words. Set evaluate.rouge.tokenizer, evaluate.search.risk_tokenizer and train.reward.tokenizer to "
    "`unicode` in params.yaml."
)


def verdict(report: Mapping[str, Any]) -> str:
    """One sentence on the gain in ROUGE-1 over the best lead baseline, and the likely causes if there is none.

    Where ROUGE does not see the references' script it says that first, since then the rest means little.
    """
    if report["unread_share"] > MUCH_UNREAD:
        return "\n".join([_UNREAD.format(report["unread_share"]), _on_the_gain(report)])
    return _on_the_gain(report)


def _on_the_gain(report: Mapping[str, Any]) -> str:
    gain, lead = report["paired"]["rouge1"], system_names(report)[report["best_lead"]]
    measured = f"{gain['delta']:+.2f} ROUGE-1 against the best lead baseline ({lead}), p = {gain['p']:.3f}"
    if gain["delta"] > 0 and gain["p"] < LEVEL:
        return f"The model is better than the first words of its documents: {measured}."
    causes = _causes(report) or ["none that these numbers tell: look at reports/samples.jsonl"]
    return "\n".join(
        [f"The model is NOT shown to be better than the first words of its documents: {measured}.", "Likely causes:"]
        + [f"- {cause}" for cause in causes]
    )


def _causes(report: Mapping[str, Any]) -> list[str]:
    train, systems = report["train"], report["systems"]
    margin = systems["oracle"]["rouge1"][0] - systems[report["best_lead"]]["rouge1"][0]
    causes = []
    if train["num_train_pairs"] < ENOUGH_PAIRS:
        causes.append(
            f"{train['num_train_pairs']:,} training pairs are few for a network that starts from nothing; bring more, "
            "or raise train.pretrain.max_steps, which learns from the documents alone"
        )
    if train["passes"] < ENOUGH_PASSES:
        causes.append(f"it read the pairs {train['passes']:.1f} times; raise train.max_steps")
    if train["cut_share"] > LARGE_CUT_SHARE:
        causes.append(
            f"{train['cut_share']:.0%} of the documents were cut before their end; raise encode.max_source_tokens"
        )
    if margin < SMALL_MARGIN:
        causes.append(
            f"the best sentences of a document score only {margin:.1f} ROUGE-1 more than its first words: "
            "there is little to win here"
        )
    return causes
