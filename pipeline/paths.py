"""Every path that the pipeline reads or writes, relative to the folder that holds dvc.yaml."""

from pathlib import Path

PARAMS = Path("params.yaml")
PRESETS = Path("presets")
DVC_LOCK = Path("dvc.lock")
ENVIRONMENT_LOCK = Path("requirements/lock.txt")

# Downloads that outlive an interrupted run; git-ignored, never a DVC output.
DOWNLOADS = Path(".cache/downloads")
# Training checkpoints, one folder per train key; git-ignored, never a DVC output.
CHECKPOINTS = Path(".cache/checkpoints")

SOURCE_STATE = Path("data/source.json")
WORD_VECTORS_STATE = Path("data/word_vectors.json")
RAW_PAIRS = Path("data/raw/pairs.parquet")
DATA_CARD = Path("data/raw/card.json")
VALID_PAIRS = Path("data/valid/pairs.parquet")
QUARANTINE = Path("data/valid/quarantine.parquet")
# The quarantine of a failed validation, for people to read; never a DVC output.
REJECTED = Path("data/rejected.parquet")
SPLITS = Path("data/split")
TRAIN_PAIRS = SPLITS / "train.parquet"
VAL_PAIRS = SPLITS / "val.parquet"
TEST_PAIRS = SPLITS / "test.parquet"
TOKENIZER = Path("data/tokenizer/tokenizer.json")
ENCODED = Path("data/encoded")

MODEL = Path("models/summarizer")

# Beside the model folder of a registered version: what else travels with it, and of that the numbers of each test
# document and its summary, which later inputs and outputs are compared with.
RECORD = Path("record")
RECORD_PROFILE = RECORD / "profile.parquet"
# Its column of the pieces of some documents.
PROFILE_PIECES = "pieces"

# What people prefer, as the page collects it; like the registry nothing that the pipeline makes.
VOTES = Path("votes.db")

REPORTS = Path("reports")
DATA_REPORT = REPORTS / "data.json"
DATA_PLOTS = REPORTS / "data_plots"
SPLIT_REPORT = REPORTS / "split.json"
JOURNAL = REPORTS / "journal.jsonl"
TRAIN_REPORT = REPORTS / "train.json"
SCORES = REPORTS / "scores.json"
METRICS = REPORTS / "metrics.json"
SAMPLES = REPORTS / "samples.jsonl"
HYPOTHESES = REPORTS / "hypotheses.parquet"
EVAL_PLOTS = REPORTS / "plots"
REPORT = REPORTS / "report.html"

# Scores that the gate's simulation draws from, and what it found.
GATE_POPULATION = Path("benchmarks/gate_population.parquet")
GATE_SIMULATION = REPORTS / "gate_simulation.json"
# The gate's verdicts, a folder for each comparison.
PROMOTIONS = REPORTS / "promotion"
