"""The factory's day against real servers: `make e2e` prints a transcript.

Prefect and MLflow on PostgreSQL (from Debian packages), MLflow's files in an S3 store, workers, a small corpus:
deploy → train → register → train better → gate → promote → the results elsewhere by DVC's remote → summarize a folder →
no drift → another corpus → drift → train again → rollback → backup and restore.
"""

import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.behaviour.corpus import ROOT, made_up_pair, make_project, set_params
from tests.demonstration.registry import Shell, commit
from tests.demonstration.stack import stack
from tests.servers import BUCKET, MlflowServer, PrefectServer, wait_for

RESTORED = "restored"
NUM_PAIRS, NUM_DOCUMENTS, NUM_NEW = 3000, 120, 1000
COMMIT = "git -c user.name=D -c user.email=d@localhost commit"
WAIT = "--watch --watch-timeout 3600"


def write_documents(project: Path) -> None:
    """Folders of documents like the corpus, of longer ones with words that it does not have, and of such pairs."""
    rng = random.Random(9)
    words = [chr(rng.randrange(0x3B1, 0x3C9)) * rng.randrange(2, 9) for _ in range(200)]

    def other() -> str:
        return " ".join(rng.choice(words) for _ in range(90)) + "."

    documents = {
        "same": [{"document": made_up_pair(rng)["text"]} for _ in range(NUM_DOCUMENTS)],
        "other": [{"document": other()} for _ in range(NUM_DOCUMENTS)],
        "pairs": [{"text": text, "title": " ".join(text.split()[:2])} for text in (other() for _ in range(NUM_NEW))],
    }
    for name, rows in documents.items():
        (project / f".cache/{name}").mkdir(parents=True)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (project / f".cache/{name}/documents.jsonl").write_text(lines)


def wait_until_completed(shell: Shell, flow: str, number: int) -> None:
    """Returns when so many runs of the flow, or more, are completed.

    Asked of the server itself: each `prefect flow-run ls` takes seconds from the run that is waited for.
    """
    print(f"\n# until {number} of {flow} are completed", flush=True)
    asked = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    address = f"{shell.environment['PREFECT_API_URL']}/flow_runs/count"

    def is_completed() -> bool:
        try:
            answer = httpx.post(address, json=asked, timeout=60)
        except httpx.TransportError:
            return False
        return answer.is_success and answer.json() >= number

    wait_for(is_completed, 600)


def story(shell: Shell) -> None:
    """The commands, in order."""
    train = f"prefect deployment run train/train {WAIT}"
    shell(f"dvc remote add --local --default store s3://{BUCKET}/dvc")
    shell("dvc remote modify --local store endpointurl $AWS_ENDPOINT_URL")
    shell("python -m pipeline.flows.healing && prefect --no-prompt deploy --all", lines=12)
    shell(f"""{train} --param push=false --param 'overrides=["train.max_steps=8"]'""", lines=3)
    # Sent to the default remote.
    shell(train, lines=3)
    shell("git clone --quiet . ../elsewhere && cp .dvc/config.local ../elsewhere/.dvc/")
    shell("cd ../elsewhere && dvc pull --run-cache --allow-missing", lines=2)
    shell("cd ../elsewhere && dvc repro --pull | tee repro.log", lines=40)
    # None but the stage that always runs.
    shell("cd ../elsewhere && test $(grep -c '^> ' repro.log) = 1")
    # What people wrote to the new documents, which the next training reads.
    shell(f"cat .cache/pairs/documents.jsonl >> pairs.jsonl && {COMMIT} -qam 'pairs of another kind'")
    for num_batches, (name, num_trainings) in enumerate((("same", 2), ("other", 3)), start=1):
        batch = f'--param source="$PWD/.cache/{name}" --param target="s3://{BUCKET}/{name}-summaries"'
        shell(f"prefect deployment run summarize/summarize {WAIT} {batch}", lines=3)
        # A completed batch is an event that starts the monitor.
        wait_until_completed(shell, "monitor", num_batches)
        shell("prefect artifact inspect drift", lines=40)
        # The other corpus alone starts one.
        shell(f"prefect flow-run ls --flow-name train | tee runs; test $(grep -c ' train ' runs) = {num_trainings}")
    wait_until_completed(shell, "train", 3)
    # It read the new pairs, so it made a version of its own, which was judged on their test split.
    shell("seq2sum models | tee models; grep -q '^seq2sum  3 ' models")
    shell("prefect artifact inspect verdict", lines=40)
    shell("seq2sum rollback --reason 'a drill'")
    shell("prefect artifact ls", lines=30)
    shell(f"cd {ROOT} && python -m tests.demonstration.pictures reports/screenshots/prefect")


def back_up_and_restore(shell: Shell, server: Path) -> None:
    """Databases and store to files, and from these to servers of their own, which know all that the old ones knew."""
    shell("pg_dump -Fc -f mlflow.dump $STORE && pg_dump -Fc -f prefect.dump ${STORE%mlflow}prefect")
    shell(f"dvc get-url --quiet s3://{BUCKET} bucket && ls bucket")
    for name in ("mlflow", "prefect"):
        restored = f"restored_{name}"
        shell(f"createdb --maintenance-db=$STORE {restored} && pg_restore -d ${{STORE%mlflow}}{restored} {name}.dump")
    put = f"store.mkdir('{RESTORED}'); store.put('bucket/', '{RESTORED}/', recursive=True)"
    shell(f'python -c "import s3fs; store = s3fs.S3FileSystem(); {put}"')
    old = shell.environment
    address = old["STORE"].removesuffix("mlflow").replace("postgresql:", "postgresql+psycopg:") + "restored_"
    for name in ("mlflow", "prefect"):
        (server / f"restored_{name}").mkdir()
    with contextlib.ExitStack() as parts:
        mlflow = MlflowServer(server / "restored_mlflow", f"{address}mlflow", f"s3://{RESTORED}", own=old)
        parts.callback(mlflow.kill)
        prefect = PrefectServer(server / "restored_prefect", f"{address.replace('psycopg', 'asyncpg')}prefect")
        parts.callback(prefect.kill)
        shell.environment = old | {"MLFLOW_TRACKING_URI": mlflow.uri, "PREFECT_API_URL": prefect.api}
        shell("seq2sum history && seq2sum ledger verify && seq2sum verify", lines=40)
        shell("prefect deployment ls | tee shown; grep -q train/train shown", lines=24)
        shell("prefect flow-run ls --flow-name train | tee shown; grep -q COMPLETED shown", lines=12)
    shell.environment = old


def main() -> None:
    """Needs some minutes; prints as it goes."""
    temporary = Path(tempfile.mkdtemp(prefix="seq2sum-factory-"))
    project, server = temporary / "project", temporary / "server"
    make_project(project, NUM_PAIRS)
    # The tests' model is tiny: its latency is noise.
    changes = {"train.pretrain.max_steps": 0, "train.reward.max_steps": 0, "promote.max_latency_growth": 50.0}
    set_params(project, changes)
    commit(project, "a small corpus")
    write_documents(project)
    settings = {
        "PYTHONPATH": f"{project / 'src'}:{project}", "SEQ2SUM_DEVICE": "cpu",
        # Of this process alone: whoever gets a device ends what else is on it.
        "SEQ2SUM_DEVICES": f"fake{os.getpid()}",
        "SEQ2SUM_THREADS": "1", "SEQ2SUM_WORKERS": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "160",
    }  # fmt: skip
    began = time.monotonic()
    try:
        with stack(project, server, settings) as environment:
            shell = Shell(project, environment)
            story(shell)
            back_up_and_restore(shell, server)
    except BaseException:
        print(f"the logs are in {server}", file=sys.stderr)
        raise
    print(f"\n{time.monotonic() - began:.0f} s in all")
    shutil.rmtree(temporary)


if __name__ == "__main__":
    main()
