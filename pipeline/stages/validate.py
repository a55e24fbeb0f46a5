"""Stage validate: raw pairs to accepted pairs, a quarantine of the rejected ones with reasons, and the data report."""

import csv
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.pairs import Pair, count_pairs, has_split, read_pairs, write_pairs
from seq2sum.data.profile import profile_pairs
from seq2sum.data.validation import Verdicts, judge_pairs, write_quarantine
from seq2sum.errors import UserError
from seq2sum.files import replaced_folder, write_json


def validate(params: Params) -> None:
    """Judges all pairs and, unless too many are rejected, writes what the later stages and people read."""
    verdicts = judge_pairs(_raw_pairs("validate"), params.validate_)
    most = params.validate_.max_reject_share
    if verdicts.reject_share > most or not verdicts.num_accepted:
        _write_rejected(paths.REJECTED, verdicts)
        raise UserError(
            f"{verdicts.reject_share:.1%} of the {len(verdicts.rejections):,} pairs are rejected; "
            f"validate.max_reject_share in {paths.PARAMS} allows {most:.1%}.\n{verdicts.as_table()}\n"
            f"{paths.REJECTED} holds them with their reasons. Mend the source, or change section validate."
        )
    paths.REJECTED.unlink(missing_ok=True)
    with replaced_folder(paths.VALID_PAIRS.parent) as folder:
        write_pairs(folder / paths.VALID_PAIRS.name, _accepted_pairs(verdicts))
        _write_rejected(folder / paths.QUARANTINE.name, verdicts)
    profile = profile_pairs(
        tqdm(_accepted_pairs(verdicts), "profile", verdicts.num_accepted, unit="pair", mininterval=1)
    )
    with replaced_folder(paths.DATA_PLOTS) as folder:
        for name, rows in profile.histograms().items():
            _write_csv(folder / f"{name}.csv", rows)
    write_json(paths.DATA_REPORT, {"num_pairs": verdicts.counts, **profile.summary()})
    print(verdicts.as_table(), flush=True)


def _raw_pairs(description: str | None = None) -> Iterator[Pair]:
    """The raw pairs, with a progress bar if it has a description."""
    total = count_pairs(paths.RAW_PAIRS)
    return iter(
        tqdm(read_pairs(paths.RAW_PAIRS), description, total, unit="pair", mininterval=1, disable=not description)
    )


def _accepted_pairs(verdicts: Verdicts) -> Iterator[Pair]:
    return (pair for pair, rejection in zip(_raw_pairs(), verdicts.rejections, strict=True) if rejection is None)


def _write_rejected(path: Path, verdicts: Verdicts) -> None:
    judged = zip(_raw_pairs(), verdicts.rejections, strict=True)
    rejected = ((pair, rejection) for pair, rejection in judged if rejection is not None)
    write_quarantine(path, rejected, with_split=has_split(paths.RAW_PAIRS))


def _write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run_stage("validate", validate)
