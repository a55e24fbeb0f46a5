"""The params file as frozen, strict models: one per section, one section per pipeline stage.

There are no defaults in code: every value stands in params.yaml, and an unknown or missing key is an error
that names its path.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seq2sum.data_config import EncodeParams, IngestParams, SplitParams, TokenizerParams, ValidateParams
from seq2sum.section import Count, Section, Seed, Share

EncoderKind = Literal["bilstm", "lstm", "rnn", "conv_bilstm", "feedforward"]
AttentionKind = Literal["general", "dot", "additive"]


def num_directions(encoder: EncoderKind) -> int:
    """In how many directions an encoder reads, each with a state of its own."""
    return 2 if encoder in {"bilstm", "conv_bilstm"} else 1


class ModelParams(Section):
    """The network. Sizes are numbers of features."""

    encoder: EncoderKind = Field(
        description="How the document is read: in both directions, in one, by a plain recurrent network in one, by a "
        "convolution and then in both directions, or without recurrence."
    )
    embedding_size: Count = Field(description="Size of a piece's embedding, shared by encoder, decoder and output.")
    encoder_size: Count = Field(description="Size of the encoder's hidden state per direction.")
    encoder_layers: Count = Field(description="Encoder layers.")
    conv_width: Count = Field(description="Pieces that a window of conv_bilstm or feedforward spans.")
    conv_stride: Count = Field(description="Pieces from a window of conv_bilstm to the next; its LSTM reads windows.")
    decoder_size: Count = Field(description="Size of the decoder's hidden states.")
    attention: AttentionKind = Field(
        description="How a query is compared with the document's states: by a matrix, as it is, or by a small network."
    )
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(description="Dropout on embeddings and outputs.")
    variational_dropout: bool = Field(description="Whether all positions of a row lose the same features.")
    copy_source: bool = Field(description="Whether the decoder may copy pieces from the document.")

    @property
    def state_size(self) -> int:
        """Size of the encoder's state of a piece: ``encoder_size`` for each direction that it reads in."""
        return num_directions(self.encoder) * self.encoder_size

    @model_validator(mode="after")
    def _windows_leave_no_gap(self) -> Self:
        if self.conv_stride > self.conv_width:
            raise ValueError(f"conv_stride ({self.conv_stride}) is larger than conv_width ({self.conv_width})")
        return self

    @model_validator(mode="after")
    def _sizes_fit_the_attention(self) -> Self:
        if self.attention == "dot" and self.state_size != self.decoder_size:
            raise ValueError(
                f"attention `dot` needs a decoder_size ({self.decoder_size}) equal to the size of the encoder's states "
                f"({self.state_size}: {self.encoder_size} for each direction that `{self.encoder}` reads in)"
            )
        return self


class PhaseParams(Section):
    """A phase of the training beside the likelihood phase, which has its values in the section itself."""

    max_steps: Annotated[int, Field(ge=0)] = Field(description="Optimizer updates; 0 leaves the phase out.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(description="Peak learning rate.")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(description="Steps of linear warm-up from zero.")


class RewardParams(PhaseParams):
    """The last phase: raises the expected ROUGE of sampled summaries."""

    num_samples: Annotated[int, Field(ge=2)] = Field(description="Summaries drawn per document; each is a baseline.")
    max_tokens: Count = Field(description="Pieces after which a drawn summary is cut.")
    likelihood_weight: Share = Field(description="Weight of the likelihood of the reference beside the reward.")
    tokenizer: Literal["rouge", "unicode"] = Field(
        description="What the reward takes for words: `rouge`: [a-z0-9]+, stemmed; `unicode`: words of any script."
    )


class TrainParams(Section):
    """The training loop. A step is one optimizer update on one global batch."""

    seed: Seed = Field(description="Seed of the initial weights, the batch order, dropout and sampling.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="Type of matrix products; weights and sums stay float32. auto: bfloat16 where it is fast."
    )
    model: ModelParams
    batch_tokens: Count = Field(description="Padded source plus target tokens in a global batch.")
    pretrain: PhaseParams = Field(description="A phase before it, on sentences that train documents lost.")
    max_steps: Count = Field(description="Optimizer updates of the likelihood phase.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(description="Peak learning rate.")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(description="Steps of linear warm-up from zero.")
    reward: RewardParams
    weight_decay: Annotated[float, Field(ge=0.0)] = Field(description="AdamW's decoupled weight decay.")
    clip_norm: Annotated[float, Field(gt=0.0)] = Field(
        description="Global gradient norm above which it is scaled down."
    )
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        description="Share of the target given to the uniform distribution over pieces."
    )
    coverage_weight: Annotated[float, Field(ge=0.0)] = Field(
        description="Weight of the coverage loss (See et al. 2017) beside the likelihood; 0 turns it off."
    )
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        description="Decay of the moving average of the weights that is validated and kept; 0 turns it off."
    )
    average_best: Count = Field(
        description="The weights of so many of a phase's best validations are averaged into its result; 1: the best."
    )
    validate_every: Count = Field(description="Steps between validations.")
    patience: Count = Field(description="Validations without a better value after which a phase ends.")
    log_every: Count = Field(description="Steps between journal lines.")
    checkpoint_every: Count = Field(description="Steps between checkpoints.")
    explosion_factor: Annotated[float, Field(gt=1.0)] = Field(
        description="A step's loss this many times the recent mean is an incident, like one that is no number."
    )
    max_incidents: Annotated[int, Field(ge=0)] = Field(
        description="Incidents that are mended by going back to the last checkpoint with half the rate."
    )


class SearchParams(Section):
    """Beam search. A beam of 1 is greedy search."""

    beam_size: Count = Field(description="Hypotheses kept per document.")
    length_penalty: Annotated[float, Field(ge=0.0)] = Field(description="GNMT's alpha (Wu et al. 2016, eq. 14).")
    coverage_penalty: Annotated[float, Field(ge=0.0)] = Field(
        description="GNMT's beta (Wu et al. 2016, eq. 14): weight of leaving pieces of the document unread; 0 is off."
    )
    min_tokens: Annotated[int, Field(ge=0)] = Field(description="Pieces before the end may be chosen.")
    max_tokens: Count = Field(description="Pieces after which a summary is cut.")
    max_words: Annotated[int, Field(ge=0)] = Field(
        description="Words, as white space separates them, that no summary exceeds; it ends with a whole one. 0 is off."
    )
    block_ngrams: Annotated[int, Field(ge=0)] = Field(description="No n-gram of pieces of this size twice; 0 is off.")
    source_support: bool = Field(
        description="No number and no capitalised word in a summary that its document does not hold, whatever its case."
    )
    shortlist: Annotated[int, Field(ge=0)] = Field(
        description="Pieces that may be generated, by the network's output bias about the commonest in summaries; "
        "others can only be copied from the document. 0 is the whole vocabulary, as for a model that can't copy, and "
        "where the settings leave no summary else."
    )

    risk_samples: Annotated[int, Field(ge=0)] = Field(
        description="Summaries drawn per document; of the beam and the greedy summary the one with the best expected "
        "ROUGE wins. 0: the likeliest wins."
    )
    risk_tokenizer: Literal["rouge", "unicode"] = Field(
        description="What that ROUGE takes for words: `rouge`: [a-z0-9]+, stemmed; `unicode`: words of any script."
    )
    risk_seed: Seed = Field(description="Seed of those summaries.")

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens ({self.min_tokens}) is larger than max_tokens ({self.max_tokens})")
        return self


class RougeParams(Section):
    """What a ROUGE score means here; written out in the metric signature."""

    stemmer: bool = Field(description="Porter stemming of English words, as papers report it.")
    tokenizer: Literal["rouge", "unicode"] = Field(
        description="`rouge`: [a-z0-9]+, the reference; `unicode`: letters and digits of any script."
    )


class EvaluateParams(Section):
    """How a model is judged on the whole test split."""

    search: SearchParams
    rouge: RougeParams
    bootstrap_samples: Count = Field(description="Resamplings for intervals and paired tests.")
    num_samples: Count = Field(description="Test pairs written to the samples file, drawn by the seed.")
    seed: Seed = Field(description="Seed of resampling, samples and the random baseline.")


class ReportParams(Section):
    """What the report shows."""

    num_samples: Count = Field(description="Test pairs shown of the best, of the middle and of the worst, each.")


Growth = Annotated[float, Field(ge=0.0)]


class PromoteParams(Section):
    """The gate of the model registry: when a challenger takes over from the champion. A task, no stage.

    Margins hold for the upper end of a 95 % interval: a challenger must be shown to be no worse than that.
    """

    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        description="Significance level of the gain in ROUGE-1, ROUGE-2 or ROUGE-Lsum, two-sided, Holm-corrected."
    )
    power: Annotated[float, Field(ge=0.5, lt=1.0)] = Field(
        description="Probability with which a test set shows its detectable gain."
    )
    effect: Annotated[float, Field(gt=0.0)] = Field(
        description="Gain in ROUGE-1 that matters, in points: a test set that may miss it tells too little to say no."
    )
    min_pairs: Annotated[int, Field(ge=2)] = Field(description="Test pairs below which nothing is promoted.")
    bootstrap_samples: Annotated[int, Field(ge=200)] = Field(description="Resamplings for intervals and paired tests.")
    max_rouge_loss: Growth = Field(description="Points that none of the three ROUGE types may lose.")
    max_repetition_growth: Growth = Field(description="Margin for the mean share of a summary that repeats itself.")
    max_unsupported_growth: Growth = Field(
        description="Margin for the mean share of numbers and names that the document does not hold."
    )
    max_length_drift_growth: Growth = Field(description="Margin for the distance of the length ratio from 1.")
    max_latency_growth: Growth = Field(description="Relative growth of the seconds per document.")
    max_size_growth: Growth = Field(description="Relative growth of the model folder in bytes.")
    looping: Share = Field(description="Share of a summary that repeats itself from which it counts as degenerate.")
    copying: Share = Field(description="Share of its document that a summary repeats from which it counts as a copy.")
    max_degenerate_share: Share = Field(
        description="Share of the challenger's summaries that may be empty, loop or copy their document."
    )
    latency_documents: Count = Field(
        description="Test documents that both summarize: for their speed, to prove their records."
    )
    seed: Seed = Field(description="Seed of the resamplings.")


class Params(Section):
    """The whole of params.yaml."""

    ingest: IngestParams
    validate_: ValidateParams = Field(alias="validate")
    split: SplitParams
    train_tokenizer: TokenizerParams
    encode: EncodeParams
    train: TrainParams
    evaluate: EvaluateParams
    report: ReportParams
    promote: PromoteParams

    @model_validator(mode="after")
    def _pretraining_has_data(self) -> Self:
        if self.train.pretrain.max_steps and not self.encode.pretrain_sentences:
            raise ValueError("train.pretrain.max_steps needs encode.pretrain_sentences of 1 or more")
        return self
