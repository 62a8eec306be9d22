# What is given as NAME=... reaches the recipes by the environment, where no shell reads it again.
# `make demo`, `make test` and `make repro` set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
# The stages are started by dvc as plain `python`.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup demo test lint repro experiment protocols trials explanations compare tune bench report readme lock

setup: .venv/ready

.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo 'Setting up .venv: this takes a minute or two.'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@

demo: setup
	@python -m scripts.demo

test: lint
	@# One thread per test process: more would only wait for each other.
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

lint: setup
	ruff check .
	ruff format --check .
	mypy
	codespell

repro: setup
	dvc repro

# One of experiments/*.yaml: make experiment NAME=loso
# SET changes one more param: make experiment NAME=emobox SET='split.emobox=/path/to/EmoBox/data'
experiment: setup
	@python -m scripts.experiments "$$NAME" $${SET:+"$$SET"}

# The headline figures, five seeds each: make protocols EMOBOX=/path/to/EmoBox/data
protocols: setup
	@python -m scripts.suites protocols $${EMOBOX:+--emobox "$$EMOBOX"} $$NAMES

# What docs/experiments.md tells, by cross-validation without the test clips:
# make trials EMOBOX=/path/to/EmoBox/data SEEDS=3
trials: setup
	@python -m scripts.suites trials $${EMOBOX:+--emobox "$$EMOBOX"} $${SEEDS:+--seeds "$$SEEDS"} $$NAMES

# Whether explanations mean something, which docs/explanations.md tells, of the model in data/model:
explanations: setup
	@python -m scripts.explanations

# All of experiments/suites/compare.yaml, or some: make compare NAMES='default s1-kfold' EPOCHS=10
compare: setup
	@python -m scripts.suites compare $${EPOCHS:+--epochs "$$EPOCHS"} $$NAMES

# Search for better params on the val clips: make tune TRIALS=20
tune: setup
	@python -m scripts.tune $${TRIALS:+"$$TRIALS"}

# Speed against what one would do otherwise, on the data of a finished `dvc repro`; best on an idle
# machine. audiomentations wants an older soxr than ours, but works with it: hence --no-deps.
bench: setup
	@pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	@python -m benchmarks.imports
	@python -m benchmarks.run

# One page about the last run, report.html; against another revision: make report BASE=main
report: setup
	@python -m scripts.report --base="$$BASE"

# Write the README's figures, and DagsHub's file of them, anew from metrics/.
readme: setup
	python -m scripts.readme
	python -m scripts.dagshub_metrics

# Pin what is installed now.
lock: setup
	python -m scripts.lock
