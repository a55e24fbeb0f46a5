"""The params file as frozen, strict models: one per section, one section per pipeline stage.

There are no defaults in code: every value stands in params.yaml, and an unknown or missing key is an error
that names its path.
"""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from seq2sum.errors import UserError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Value = TypeVar("Value")


class Section(BaseModel):
    """Base of all sections: immutable, no coercion, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", protected_namespaces=())


SplitName = Literal["all", "train", "val", "test"]


def _all_or_train(names: dict[SplitName, Value]) -> dict[SplitName, Value]:
    if set(names) != {"all"} and ("all" in names or "train" not in names):
        raise ValueError(
            "give `all`, which the pipeline splits, or `train` with `val` and `test`; of those two a missing one is "
            "taken from train"
        )
    return names


def _distinct(names: dict[SplitName, str]) -> dict[SplitName, str]:
    if len(set(names.values())) < len(names):
        raise ValueError("the same split is named twice, so that pairs would be trained and tested on")
    return names


class DebianSource(Section):
    """The package descriptions that a Debian or Ubuntu machine's own package client serves."""

    kind: Literal["debian"]
    min_boilerplate_sources: Count = Field(
        description="A paragraph found in this many source packages or more, names apart, is boilerplate and dropped."
    )


class HubSource(Section):
    """A Parquet data set of the Hugging Face hub."""

    kind: Literal["hub"]
    name: str = Field(description="Name on the hub, as owner/dataset.")
    config: str | None = Field(description="The data set's configuration, or null.")
    revision: str = Field(description="Branch, tag or commit; a commit makes the run reproducible.")
    document: str = Field(description="Column that holds the document.")
    summary: str = Field(description="Column that holds the summary.")
    splits: Annotated[dict[SplitName, str], AfterValidator(_all_or_train), AfterValidator(_distinct)] = Field(
        description="The hub's split name for each of ours, or under `all` the one that the pipeline splits."
    )
    streaming: bool = Field(description="Stream rows instead of caching the data set first.")


class FilesSource(Section):
    """Local files: JSONL, CSV, TSV or Parquet, also compressed (.gz, .xz, .zst)."""

    kind: Literal["files"]
    paths: Annotated[dict[SplitName, list[str]], AfterValidator(_all_or_train)] = Field(
        description="Globs for each split, or under `all` the globs of files that the pipeline splits."
    )
    document: str = Field(description="Column that holds the document.")
    summary: str = Field(description="Column that holds the summary.")
    id: str | None = Field(description="Column that identifies a row, or null for file name and row number.")
    group: str | None = Field(
        description="Column of things that must not be torn apart by the split, or null: each row is a group."
    )


class IngestParams(Section):
    """Where the pairs come from."""

    source: Annotated[DebianSource | HubSource | FilesSource, Field(discriminator="kind")]
    max_pairs: Count | None = Field(
        description="Keep only the first so many pairs (of each split, where the source has one), or null for all."
    )


class ValidateParams(Section):
    """Which pairs are fit to learn from.

    Pairs of the source's own val and test splits are rejected only if they are empty or not text.
    """

    min_document_words: Count = Field(description="Shorter documents are rejected.")
    max_document_words: Count = Field(description="Longer documents are rejected.")
    min_summary_words: Count = Field(description="Shorter summaries are rejected.")
    max_summary_words: Count = Field(description="Longer summaries are rejected.")
    max_summary_ratio: Annotated[float, Field(gt=0.0)] = Field(
        description="Summary words over document words above which a pair is no summary."
    )
    min_letter_share: Share = Field(description="Share of letters among visible characters below which it is not text.")
    near_duplicate_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        description="Jaccard similarity of word shingles from which two documents count as near duplicates."
    )
    shingle_words: Count = Field(description="Words in a shingle.")
    num_permutations: Annotated[int, Field(ge=16)] = Field(description="MinHash permutations: accuracy against time.")
    max_reject_share: Share = Field(description="The stage fails when a larger share of the pairs is rejected.")
    seed: Seed = Field(description="Seed of the MinHash permutations.")


class SplitParams(Section):
    """How the pairs are divided where the source has no split of its own."""

    val_share: Share = Field(description="Share of groups for validation.")
    test_share: Share = Field(description="Share of groups for test.")
    salt: str = Field(description="Enters the group's hash: another salt, another split.")
    near_duplicate_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        description="Train documents at least this similar to one of val or test are removed from train."
    )
    shingle_words: Count = Field(description="Words in a shingle.")
    num_permutations: Annotated[int, Field(ge=16)] = Field(description="MinHash permutations: accuracy against time.")
    seed: Seed = Field(description="Seed of the MinHash permutations.")

    @model_validator(mode="after")
    def _leave_some_for_train(self) -> Self:
        if self.val_share + self.test_share >= 1:
            raise ValueError("val_share and test_share leave nothing for train")
        return self


class TokenizerParams(Section):
    """The subword vocabulary, shared by documents and summaries."""

    vocab_size: Annotated[int, Field(ge=300)] = Field(description="Pieces, the special ones and 256 bytes included.")
    min_frequency: Count = Field(description="A merge must occur this often.")


class EncodeParams(Section):
    """From text to piece ids."""

    max_source_tokens: Count = Field(description="Documents are cut to this many pieces.")
    max_target_tokens: Count = Field(description="Training pairs with longer summaries are cut to this many pieces.")


class ModelParams(Section):
    """The network. Sizes are numbers of features."""

    encoder: Literal["bilstm"] = Field(description="How the document is read.")
    embedding_size: Count = Field(description="Size of a piece's embedding, shared by encoder, decoder and output.")
    encoder_size: Count = Field(description="Size of the encoder's hidden state per direction.")
    encoder_layers: Count = Field(description="Encoder layers.")
    decoder_size: Count = Field(description="Size of the decoder's hidden states.")
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(description="Dropout on embeddings and outputs.")
    copy_source: bool = Field(description="Whether the decoder may copy pieces from the document.")


class TrainParams(Section):
    """The training loop. A step is one optimizer update on one global batch."""

    seed: Seed = Field(description="Seed of the initial weights, the batch order and dropout.")
    model: ModelParams
    batch_tokens: Count = Field(description="Padded source plus target tokens in a global batch.")
    max_steps: Count = Field(description="Optimizer updates.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(description="Peak learning rate.")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(description="Steps of linear warm-up from zero.")
    weight_decay: Annotated[float, Field(ge=0.0)] = Field(description="AdamW's decoupled weight decay.")
    clip_norm: Annotated[float, Field(gt=0.0)] = Field(
        description="Global gradient norm above which it is scaled down."
    )
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        description="Share of the target given to the uniform distribution over pieces."
    )
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        description="Decay of the moving average of the weights that is validated and kept; 0 turns it off."
    )
    validate_every: Count = Field(description="Steps between validations.")
    patience: Count = Field(description="Validations without a better loss after which training stops.")
    log_every: Count = Field(description="Steps between journal lines.")
    checkpoint_every: Count = Field(description="Steps between checkpoints.")


class SearchParams(Section):
    """Beam search. A beam of 1 is greedy search."""

    beam_size: Count = Field(description="Hypotheses kept per document.")
    length_penalty: Annotated[float, Field(ge=0.0)] = Field(description="GNMT's alpha (Wu et al. 2016, eq. 14).")
    min_tokens: Annotated[int, Field(ge=0)] = Field(description="Pieces before the end may be chosen.")
    max_tokens: Count = Field(description="Pieces after which a summary is cut.")
    block_ngrams: Annotated[int, Field(ge=0)] = Field(description="No n-gram of pieces of this size twice; 0 is off.")

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
    latency_documents: Count = Field(description="Test documents that both models summarize to compare their speed.")
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
    promote: PromoteParams


def load_params(path: Path) -> Params:
    """Reads and validates a params file.

    Raises UserError naming each unknown, missing or wrong key by its path.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run from the folder that holds it.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from error
    return checked_params(raw, path)


def checked_params(raw: object, path: Path) -> Params:
    """What was read from ``path``, as params. Raises UserError as :func:`load_params`."""
    if not isinstance(raw, dict):
        raise UserError(f"{path}: expected sections (ingest, validate, …), found {type(raw).__name__}.")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {describe_problem(problem)}" for problem in error.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} bad key(s):", *lines])) from error


SectionType = TypeVar("SectionType", bound=Section)


def read_section(path: Path, section: type[SectionType]) -> SectionType:
    """Reads one section kept as a JSON file (a model folder's settings).

    Raises UserError naming the file and each bad key.
    """
    try:
        return section.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Is {path.parent} a model folder?") from error
    except ValidationError as error:
        lines = [f"  {describe_problem(problem)}" for problem in error.errors()]
        raise UserError("\n".join([f"{path}: damaged or of another version:", *lines])) from error


def describe_problem(problem: object) -> str:
    """One line for one pydantic problem: the key's path, what is wrong and, where known, the mend."""
    assert isinstance(problem, dict)
    key = ".".join(str(part) for part in problem["loc"])
    kind, value = problem["type"], problem.get("input")
    if kind == "value_error":
        return ": ".join(part for part in (key, f"{problem['ctx']['error']}.") if part)
    if kind == "missing":
        return f"{key}: missing. Add it."
    if kind == "extra_forbidden":
        return f"{key}: unknown. Remove it or mend its name."
    if kind == "float_type" and isinstance(value, str):
        return f"{key}: {value!r} is text to YAML. Write it as a decimal, like 0.001."
    return f"{key}: {problem['msg']} (found {value!r})."
