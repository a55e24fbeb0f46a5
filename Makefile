# Every target makes .venv first if that is not done yet; nothing else needs installing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
include scripts/environment.sh

PRESET ?= default

.PHONY: help setup run full preset study bench simulate-gate demo demo-registry demo-spark flow tune batch monitor maintain deploy stack e2e chaos kills test test-browser check reference docs lint types contracts format lock clean

help: ## Show this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## Make .venv as requirements/ locks it (every other target does so by itself)
	@scripts/setup.sh

run: setup ## Run the pipeline as params.yaml says, then register and show the result
	dvc repro
	python -m pipeline.publish

full: ## The same with the full training budget
	@$(MAKE) preset PRESET=full
	@$(MAKE) run

preset: setup ## Write the values of presets/PRESET.yaml into params.yaml (PRESET=default restores; FORCE=1 over your own)
	python -m pipeline.preset $(PRESET) $(if $(FORCE),--force)

study: setup ## Measure what is said of LSTMs and write reports/study/index.html (a quick look: STUDY_PRESET=tiny)
	$(if $(STUDY_PRESET),python -m study.preset $(STUDY_PRESET) $(if $(FORCE),--force))
	dvc repro study/dvc.yaml

bench: setup ## Speed and memory beside the peers, written to benchmarks/results.json (after `dvc repro encode`; 20 minutes)
	benchmarks/peers/setup
	OMP_NUM_THREADS=1 SEQ2SUM_THREADS=1 python -m benchmarks.bench
	python -m benchmarks.costs

simulate-gate: setup ## Measure how often the promotion gate errs, as params.yaml sets it
	python -m pipeline.simulate_gate

demo: setup ## Serve the page to try the champion on, beside the challenger (other models: ARGS="--model DIR")
	python -m pipeline.demo $(ARGS)

demo-registry: setup ## A model's life against real servers (needs Debian's postgresql): prints a transcript
	python -m tests.demonstration.registry

demo-spark: setup ## A large table scored by a local Spark as by one process (needs Java 17 or later)
	uv pip install --quiet --target .cache/spark --require-hashes -r requirements/spark.txt
	PYTHONPATH=.cache/spark python -m tests.demonstration.table

flow: setup ## The training flow here: stages, publish, gate (FLAGS="train.seed=2 --timeout-minutes 60")
	python -m pipeline.flows.train $(FLAGS)

tune: setup ## Search params for the commit at hand, as tune.yaml says (FLAGS="--num-trials 40")
	python -m pipeline.flows.tune $(FLAGS)

batch: setup ## The champion's summaries of a folder of documents (FLAGS="FOLDER TARGET --column text")
	python -m pipeline.flows.summarize $(FLAGS)

monitor: setup ## Are a batch's documents and summaries still like the champion's test set? (FLAGS="TARGET")
	python -m pipeline.flows.monitor $(FLAGS)

maintain: setup ## List old checkpoints, work trees, MLflow runs and unused cache (to remove them: FLAGS=--remove)
	python -m pipeline.flows.maintain $(FLAGS)

deploy: setup ## Work pools, self-healing and deployments on the server that PREFECT_API_URL names
	python -m pipeline.flows.healing
	prefect --no-prompt deploy --all

stack: setup ## Servers and workers on loopback, for trials (needs Debian's postgresql); Ctrl-C ends them
	python -m tests.demonstration.stack

e2e: setup ## The factory's day against real servers (needs Debian's postgresql): prints a transcript
	python -m tests.demonstration.factory

chaos: setup ## Kill parts of a running factory at random moments (ROUNDS=7)
	python -m tests.demonstration.chaos $(or $(ROUNDS),7)

kills: setup ## Kill a training at random moments and compare its hashes with one that ran through (KILLS=20)
	python -m tests.demonstration.kills $(or $(KILLS),20)

# In their order, not those with most tests first: whole pipelines, which are few and long, begin.
test: setup ## Run the tests (some of them: TESTS=tests/data)
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-browser: setup ## Test the page in headless Chromium (needs Debian's chromium and chromium-driver)
	OMP_NUM_THREADS=1 pytest tests/browser -m browser

check: lint types contracts test ## All that CI checks: lint, types, import contracts, tests

reference: setup ## Write docs/reference from the code
	PYTHONPATH=. python docs/generate.py

docs: setup ## Build the documentation's pages: docs/_build/html/index.html; broken links fail
	sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

lint: setup
	ruff check
	ruff format --check

types: setup
	mypy

contracts: setup
	lint-imports

format: setup ## Format the code and mend what lint can mend
	ruff check --fix
	ruff format

lock: setup ## Remake the lock files after a change of pyproject.toml (newest versions: UPGRADE=--upgrade)
	scripts/lock.sh $(UPGRADE)

clean: ## Remove .venv and tools' caches; data, models and reports stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/seq2sum.egg-info
