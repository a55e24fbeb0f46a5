"""The sections of params.yaml for the data stages, from the source to piece ids."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from seq2sum.section import Count, Section, Seed, Share

Value = TypeVar("Value")
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
    pretrain_sentences: Annotated[int, Field(ge=0)] = Field(
        description="Sentences of each train document that the pretraining phase learns to write from the others."
    )
    word_vectors: str | None = Field(
        description="File of word vectors (word2vec's text format, as of GloVe and fastText; also .gz, .xz, .zst) from "
        "which the embeddings of whole words start, or null."
    )
