"""How often the promotion gate errs under the params: `python -m pipeline.simulate_gate`.

The population is that of benchmarks/gate_population.parquet: two trainings of the default model after 800 steps on the
default corpus, one with its products in bfloat16, decoded on the test split. `--models` measures another one.
"""

import argparse
import json
import sys
from pathlib import Path

from pipeline import paths
from pipeline.workers import num_workers
from seq2sum.data.pairs import read_pairs
from seq2sum.errors import UserError
from seq2sum.files import write_json
from seq2sum.gate.population import MODELS, make_population, read_population, write_population
from seq2sum.gate.simulation import simulate
from seq2sum.params_file import load_params

NUM_TRIALS = 2000
NUM_DEGENERATE_TRIALS = 20
SEED = 1


def simulate_gate(population: Path) -> dict[str, object]:
    """Writes and returns the report. Raises UserError for a file that is no population."""
    systems = read_population(population)
    first, second = (systems.pop(name) for name in MODELS)
    params = load_params(paths.PARAMS).promote
    try:
        report = simulate(first, second, systems, params, NUM_TRIALS, NUM_DEGENERATE_TRIALS, SEED)
    except ValueError as error:
        raise UserError(f"{paths.PARAMS}: promote.effect: {error}.") from error
    write_json(paths.GATE_SIMULATION, report)
    return report


def measure_models(folders: tuple[Path, Path], population: Path) -> None:
    """Decodes the test split with two model folders and writes the population."""
    from pipeline.hardware import use_hardware
    from seq2sum.summarize import Summarizer

    params, pairs = load_params(paths.PARAMS).evaluate, list(read_pairs(paths.TEST_PAIRS))
    documents, references = [pair.document for pair in pairs], [pair.summary for pair in pairs]
    device = str(use_hardware())
    texts = [
        [summary.text for summary in Summarizer.load(folder, device).summarize(documents, params.search, progress=True)]
        for folder in folders
    ]
    made = make_population(documents, references, (texts[0], texts[1]), params.rouge, num_workers())
    write_population(population, made)


def main() -> int:
    """The command line; exits with 2 on what the user can mend, with 1 if the gate errs more often than promised."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.simulate_gate", description=__doc__)
    parser.add_argument("--population", type=Path, default=paths.GATE_POPULATION, help="file of scores to draw from")
    parser.add_argument("--models", type=Path, nargs=2, metavar="DIR", help="measure these two on the test split first")
    arguments = parser.parse_args()
    try:
        if arguments.models:
            measure_models((arguments.models[0], arguments.models[1]), arguments.population)
        report = simulate_gate(arguments.population)
    except UserError as error:
        print(f"simulate-gate failed: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2))
    params = load_params(paths.PARAMS).promote
    holds = report["false_promotion"] <= params.alpha and report["power"] >= params.power  # type: ignore[operator]
    return 0 if holds and not any(report["degenerate_promotions"].values()) else 1  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
