"""Summarizes documents with the code that a version was registered with: a script that imports nothing of this project.

A version must be judged as it will be served, and later code may read settings that an older version does not have.
Standard input: JSON with `documents`, `device` and `rounds`; standard output: JSON with `summaries` and, for
`rounds` above 0, `seconds`: the least of so many times that all documents took.
Usage: python decode.py CODE_FOLDER MODEL_FOLDER
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Needs of the version's code: `Summarizer.load(folder, device)`, `.search` and `.summarize(documents, search)`."""
    sys.path.insert(0, sys.argv[1])
    task = json.load(sys.stdin)
    from seq2sum.summarize import Summarizer

    summarizer = Summarizer.load(Path(sys.argv[2]), task["device"])
    assert summarizer.search is not None, "a model is registered with its search settings"
    summaries = summarizer.summarize(task["documents"], summarizer.search)
    seconds = []
    for _ in range(task["rounds"]):
        began = time.perf_counter()
        summarizer.summarize(task["documents"], summarizer.search)
        seconds.append(time.perf_counter() - began)
    json.dump({"summaries": [one.text for one in summaries], "seconds": min(seconds, default=None)}, sys.stdout)


if __name__ == "__main__":
    main()
