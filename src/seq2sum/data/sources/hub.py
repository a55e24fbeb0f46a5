"""Pairs from a Parquet data set of the Hugging Face hub."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from seq2sum.data.pairs import Pair, Split
from seq2sum.data.sources.base import DataCard
from seq2sum.data.sources.fields import as_text
from seq2sum.data_config import HubSource
from seq2sum.errors import UserError

_BATCH_ROWS = 256
# One plain request tells whether the hub can be reached: `load_dataset` alone would try again for minutes.
_HUB_TIMEOUT_SECONDS = 20.0


class HubPairs:
    """The rows of a data set, streamed or from the hub client's own cache (HF_HOME).

    A pair's id is the hub's split and the row's number, counted from 1; each row is a group. The branch or tag of
    the params is resolved to a commit first, which pins what is read and stands in the card as the release: it
    covers every file's hash. So the hub is asked even for a data set that the cache holds.
    """

    def __init__(self, source: HubSource) -> None:
        self._source = source
        self.card = DataCard(origin=source.name, licence="", release=source.revision)

    @property
    def splits(self) -> tuple[Split | None, ...]:
        """Those that the params map to the hub's; ``(None,)`` for `all`."""
        return tuple(None if split == "all" else split for split in self._source.splits)

    def pairs(self, split: Split | None) -> Iterator[Pair]:
        """Yields the rows of the split. Null fields come as empty text.

        Raises UserError if the hub cannot be reached, the data set cannot be read, or a column is not there.
        """
        source = self._source
        hub_split = source.splits[split or "all"]
        for number, row in enumerate(self._rows(hub_split), start=1):
            where = f"{source.name}, split {hub_split}, row {number}"
            pair_id = f"{hub_split}:{number}"
            document = as_text(row[source.document], f"{where}: {source.document!r}")
            summary = as_text(row[source.summary], f"{where}: {source.summary!r}")
            yield Pair(pair_id, pair_id, document, summary, split)

    @functools.cached_property
    def _commit(self) -> str:
        """What the revision stands for, asked once so that all splits are of one commit; the card learns it too."""
        from huggingface_hub import HfApi

        source = self._source
        with _as_user_error(f"ingest.source: {source.name} at {source.revision}"):
            info = HfApi().dataset_info(source.name, revision=source.revision, timeout=_HUB_TIMEOUT_SECONDS)
        licence = info.card_data.get("license") if info.card_data else None
        self.card.licence = f"As the data set's page on the hub says: {licence or 'no licence is named there'}."
        self.card.release = info.sha or source.revision
        return self.card.release

    def _rows(self, hub_split: str) -> Iterator[dict[str, Any]]:
        from datasets import load_dataset

        source = self._source
        with _as_user_error(f"ingest.source: {source.name}, split {hub_split}"):
            dataset = load_dataset(
                source.name, source.config, split=hub_split, revision=self._commit, streaming=source.streaming
            )
            found = dataset.column_names
            for column in (source.document, source.summary):
                if column not in found:
                    raise UserError(
                        f"{source.name}: no column {column!r}. There are: {', '.join(map(repr, found))}. "
                        "Mend ingest.source.document or ingest.source.summary in params.yaml."
                    )
            for batch in dataset.select_columns([source.document, source.summary]).iter(_BATCH_ROWS):
                names = list(batch)
                for values in zip(*batch.values(), strict=True):
                    yield dict(zip(names, values, strict=True))


@contextlib.contextmanager
def _as_user_error(what: str) -> Iterator[None]:
    """Turns what the hub's client raises into a UserError.

    It lets through the exceptions of whichever HTTP, file system and Parquet libraries it stands on, hence the
    breadth.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise UserError(
            f"{what}: {reason} ({type(error).__name__}). Check the name, config, revision and split in params.yaml and "
            "the network (private data sets need HF_TOKEN), then run again; what was downloaded is kept."
        ) from error
