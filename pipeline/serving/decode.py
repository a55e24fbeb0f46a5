"""Summarizes documents with the code that a version was registered with: a script that imports nothing of this project.

A version must be judged as it will be served, and later code may read settings that an older version does not have.
Standard input: JSON with `documents`, `device` and `num_timed`; standard output: JSON with `summaries` and `seconds`,
the least of some times that the first `num_timed` documents took, or null if that is 0.
Usage: python decode.py CODE_FOLDER MODEL_FOLDER
"""

import json
import sys
import time
from pathlib import Path

ROUNDS = 3


def main() -> None:
    """Needs of the version's code: `Summarizer.load(folder, device)`, `.search` and `.summarize(documents, search)`."""
    sys.path.insert(0, sys.argv[1])
    task = json.load(sys.stdin)
    from seq2sum.summarize import Summarizer

    summarizer = Summarizer.load(Path(sys.argv[2]), task["device"])
    assert summarizer.search is not None, "a model is registered with its search settings"
    summaries = summarizer.summarize(task["documents"], summarizer.search)
    seconds = []
    timed = task["documents"][: task["num_timed"]]
    for _ in range(ROUNDS if timed else 0):
        began = time.perf_counter()
        summarizer.summarize(timed, summarizer.search)
        seconds.append(time.perf_counter() - began)
    json.dump({"summaries": [one.text for one in summaries], "seconds": min(seconds, default=None)}, sys.stdout)


if __name__ == "__main__":
    main()
