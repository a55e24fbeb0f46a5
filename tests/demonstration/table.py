"""A large table scored by Spark with a registered version, beside one process: `make demo-spark`.

Fails unless both give the same summaries and scores. PySpark is no part of the environment: the target puts it into
.cache/spark.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import publish
from tests.pipeline.tracking.project import TEXTS, make_model, make_project

NUM_ROWS = 20_000
# A version takes 1,000 rows at a time (SEQ2SUM_MAX_ROWS); Spark would hand it 10,000.
ROWS_AT_A_TIME = 500
MOST_DRIFT = 1e-4
VERSION = "models:/seq2sum@champion"


def register(project: Path) -> None:
    """Makes the folder the working one, with a registry of its own that has a small model as champion."""
    make_model(project.parent / "model")
    make_project(project, project.parent / "model")
    os.chdir(project)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{project}/mlflow.db"
    publish.publish(publish.read_results())


def write_table(path: Path) -> None:
    """Documents that are all different, a few too long for the model."""
    documents = [
        f"{TEXTS[row % 2] * (9 if row % 100 == 0 else 1)} Number {row} stands here." for row in range(NUM_ROWS)
    ]
    pq.write_table(pa.table({"row": range(NUM_ROWS), "document": documents}), path)


def score_here(path: Path) -> list[dict[str, object]]:
    """By one process, in parts."""
    import mlflow.pyfunc
    import pandas as pd

    model, table = mlflow.pyfunc.load_model(VERSION), pd.read_parquet(path)
    parts = [table.iloc[start : start + ROWS_AT_A_TIME] for start in range(0, NUM_ROWS, ROWS_AT_A_TIME)]
    return [row for part in parts for row in model.predict(part[["document"]]).to_dict("records")]


def score_by_spark(path: Path, scored: Path) -> list[dict[str, object]]:
    """By two worker processes of a local Spark, which reads and writes the tables itself."""
    import mlflow.pyfunc
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_AT_A_TIME),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executorEnv.MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    try:
        summarize = mlflow.pyfunc.spark_udf(spark, VERSION, env_manager="local")
        table = spark.read.parquet(str(path)).repartition(8)
        table.select("row", summarize("document").alias("answer")).write.parquet(str(scored))
    finally:
        spark.stop()
    rows = sorted(pq.read_table(scored).to_pylist(), key=lambda row: row["row"])
    assert [row["row"] for row in rows] == list(range(NUM_ROWS)), "rows were lost or doubled"
    return [row["answer"] for row in rows]


def main() -> int:
    """Prints times and the comparison; 1 if anything differs."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    with tempfile.TemporaryDirectory(prefix="seq2sum-table-") as temporary:
        register(Path(temporary) / "project")
        table = Path(temporary) / "table.parquet"
        write_table(table)
        began = time.monotonic()
        here = score_here(table)
        between = time.monotonic()
        there = score_by_spark(table, Path(temporary) / "scored")
        ended = time.monotonic()
    differing = sum(
        (one["summary"], one["truncated"]) != (two["summary"], two["truncated"])
        for one, two in zip(here, there, strict=True)
    )
    drift = max(abs(float(one["score"]) - float(two["score"])) for one, two in zip(here, there, strict=True))  # type: ignore[arg-type]
    print(f"{NUM_ROWS:,} rows: one process {between - began:.0f} s, Spark {ended - between:.0f} s with its start")
    summaries, num_cut = {str(one["summary"]) for one in here}, sum(bool(one["truncated"]) for one in here)
    print(f"{len(summaries)} different summaries, {num_cut} documents that were cut")
    print(f"rows that differ: {differing}; scores differ by {drift:.1e} at most")
    return 1 if differing or drift > MOST_DRIFT else 0


if __name__ == "__main__":
    sys.exit(main())
