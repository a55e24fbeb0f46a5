"""The study's params file as models, and every path that it reads or writes."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from seq2sum.config import EncoderKind
from seq2sum.section import Count, Section, Seed

PARAMS = Path("study/params.yaml")
PRESETS = Path("study/presets")
WORK = Path(".cache/study")
RECALL = Path("reports/study/recall")
CORPUS = Path("reports/study/corpus")
COST = Path("reports/study/cost.json")
CLAIMS = Path("reports/study/claims.json")
PAGE = Path("reports/study/index.html")

Ratio = Annotated[float, Field(gt=1.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


def recall_file(encoder: str, seed: int) -> Path:
    """What was measured of one training on the recall task."""
    return RECALL / f"{encoder}-{seed}.json"


def corpus_file(encoder: str, num_pairs: int | None) -> Path:
    """What was measured of one training on the corpus; ``num_pairs`` is None for all of it."""
    return CORPUS / f"{encoder}-{num_pairs or 'all'}.json"


class RecallRuns(Section):
    """Which trainings there are on the recall task: each encoder with each seed."""

    encoders: list[EncoderKind]
    seeds: list[Seed]


class SizeRuns(Section):
    """Which trainings there are on parts of the corpus: each encoder with each number of training pairs."""

    encoders: list[EncoderKind]
    num_pairs: list[Count]


class Runs(Section):
    """What dvc.yaml makes a matrix of. Every encoder is also trained on the whole corpus."""

    recall: RecallRuns
    encoders: list[EncoderKind]
    sizes: SizeRuns

    @model_validator(mode="after")
    def _hold_what_the_claims_compare(self) -> Self:
        for name, found, needed in (
            ("recall.encoders", self.recall.encoders, {"rnn", "lstm", "bilstm"}),
            ("encoders", self.encoders, {"bilstm", "lstm", "conv_bilstm", "feedforward"}),
            ("sizes.encoders", self.sizes.encoders, {"bilstm", "feedforward"}),
        ):
            if missing := needed - set(found):
                raise ValueError(f"{name} lacks {', '.join(sorted(missing))}, which the claims compare")
        return self


class RecallParams(Section):
    """The recall task: a marked symbol, distractors of the same alphabet, and the question for the symbol."""

    lags: Annotated[list[Count], Field(min_length=2)] = Field(
        description="Positions between symbol and question, rising. They come in one after the other, and are "
        "then drawn alike."
    )
    num_symbols: Annotated[int, Field(ge=2)] = Field(description="Size of the alphabet; chance is one in so many.")
    embedding_size: Count = Field(description="Size of a symbol's embedding.")
    state_size: Count = Field(description="Size of an encoder's state, all directions together.")
    conv_width: Count = Field(description="As in the summarizer's params.")
    conv_stride: Count = Field(description="As in the summarizer's params.")
    batch_rows: Count = Field(description="Sequences in a batch.")
    num_steps: Count = Field(description="Optimizer updates.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(description="Peak learning rate of Adam.")
    warmup_steps: Count = Field(description="Steps of linear warm-up.")
    clip_norm: Annotated[float, Field(gt=0.0)] = Field(description="Gradient norm above which it is scaled down.")
    num_test: Count = Field(description="Fresh sequences of each lag for accuracy and gradients.")
    gate_lag: Count = Field(description="Lag of the sequences on which the forget gate is looked at.")
    log_every: Count = Field(description="Steps that are one point of the loss curve.")


class CorpusParams(Section):
    """The trainings on the main pipeline's corpus."""

    seed: Seed = Field(description="Draws the training and test pairs.")
    state_size: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        description="Size of an encoder's state, all directions together: equal for all encoders."
    )
    num_test_pairs: Count = Field(description="Test pairs on which ROUGE is measured.")
    params: dict[str, Any] = Field(description="Laid over params.yaml: the budget.")


class CostParams(Section):
    """The measurement of time, forward and backward, on random numbers."""

    lengths: Annotated[list[Count], Field(min_length=2)] = Field(description="Row lengths, rising.")
    batch_tokens: Count = Field(description="Tokens in a batch, whatever the length of its rows.")
    target_lengths: list[Count] = Field(description="Steps of the decoder.")
    decoder_rows: Count = Field(description="Pairs in the decoder's batch.")
    repeats: Count = Field(description="The fastest of so many counts.")


class ClaimParams(Section):
    """Where the rules that judge the claims draw their lines."""

    solved_accuracy: Share = Field(description="A lag is solved from this accuracy on.")
    vanished: Share = Field(
        description="Gradient at the longest lag over that at the shortest: below, it has vanished."
    )
    exploded: Ratio = Field(description="Largest gradient norm of a training over its first: above, it has exploded.")
    binary_share: Share = Field(description="Share of gate values within 0.05 of 0 or 1 from which it is binary.")
    ratio: Ratio = Field(description="A cost is higher if it is at least so many times the other.")
    significance: Share = Field(description="p-value below which a difference of ROUGE counts.")
    bootstrap_samples: Count = Field(description="Resamplings of a paired test.")
    seed: Seed = Field(description="Seed of the resampling.")


class StudyParams(Section):
    """The whole of study/params.yaml."""

    runs: Runs
    recall: RecallParams
    corpus: CorpusParams
    cost: CostParams
    claims: ClaimParams
