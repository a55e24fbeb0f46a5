"""Summarizes documents with the code that a version was registered with: a script that imports nothing of this project.

A version must be judged as it will be served, and later code may read settings that an older version does not have.
Each line of standard input is a JSON list of documents, each line of standard output JSON with their `summaries` and
the `seconds` that they took. It ends with its input.
Usage: python decode.py CODE_FOLDER MODEL_FOLDER DEVICE
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Needs of the version's code: `Summarizer.load(folder, device)`, `.search` and `.summarize(documents, search)`."""
    sys.path.insert(0, sys.argv[1])
    from seq2sum.summarize import Summarizer

    summarizer = Summarizer.load(Path(sys.argv[2]), sys.argv[3])
    assert summarizer.search is not None, "a model is registered with its search settings"
    for line in sys.stdin:
        documents = json.loads(line)
        began = time.perf_counter()
        summaries = [one.text for one in summarizer.summarize(documents, summarizer.search)]
        answer = {"summaries": summaries, "seconds": time.perf_counter() - began}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
