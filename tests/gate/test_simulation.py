from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from seq2sum.errors import UserError
from seq2sum.gate.measures import Measures
from seq2sum.gate.population import MODELS, make_population, read_population, write_population
from seq2sum.gate.simulation import mixed, simulate
from tests.evaluation.texts import PORTER, make_pairs
from tests.gate.made_up import COMMITTED, measures, params

REPO = Path(__file__).parents[2]


def test_the_gate_errs_no_more_often_than_it_says() -> None:
    """A short run of `make simulate-gate`, on its population and under the committed params."""
    population = read_population(REPO / paths.GATE_POPULATION)
    first, second = (population.pop(name) for name in MODELS)
    section = COMMITTED.model_copy(update={"bootstrap_samples": 500})
    report = simulate(first, second, population, section, num_trials=200, num_degenerate_trials=3, seed=2)
    # Three standard errors of 200 trials beside what the full run shows.
    assert report["false_promotion"] <= 0.05
    assert report["power"] >= 0.75
    assert report["degenerate_promotions"] == dict.fromkeys(("loops", "copies", "copies_half", "empty"), 0)
    assert sum(report["verdicts"]["equal"].values()) == pytest.approx(1)


def test_models_that_hardly_differ_make_no_better_one() -> None:
    first = measures(300, 1)
    second = Measures(**{**vars(first), "rouge": first.rouge + 0.1})
    with pytest.raises(ValueError, match="better by"):
        simulate(first, second, {}, params(), num_trials=1, num_degenerate_trials=1, seed=1)


def test_mixing_takes_each_pair_whole() -> None:
    first, second = measures(50, 1), measures(50, 2)
    takes_first = np.random.default_rng(3).random(50) < 0.5
    both = mixed(first, second, takes_first)
    for name, values in vars(both).items():
        np.testing.assert_array_equal(values[takes_first], getattr(first, name)[takes_first])
        np.testing.assert_array_equal(values[~takes_first], getattr(second, name)[~takes_first])


def test_a_population_is_read_as_it_was_written(tmp_path: Path) -> None:
    documents, references = make_pairs(12)
    hypotheses = (references, [text[:20] for text in references])
    made = make_population(documents, references, hypotheses, PORTER, num_workers=1)
    assert made["first"].rouge.mean() == pytest.approx(100)
    assert (made["empty"].num_words == 0).all()
    assert made["copies"].copied == pytest.approx(1)
    assert (made["loops"].repetition >= 0.5).all()
    write_population(tmp_path / "p.parquet", made)
    again = read_population(tmp_path / "p.parquet")
    assert list(again) == list(made)
    for name, of_system in made.items():
        for column, values in vars(of_system).items():
            np.testing.assert_allclose(getattr(again[name], column), values, rtol=1e-6)


@pytest.mark.parametrize("content", [None, b"no table"])
def test_a_file_that_is_no_population_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"p\.parquet: not a population"):
        read_population(path)
