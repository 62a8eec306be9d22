# Recipes read NAME=... and the like from the environment, so that no shell interprets the values.
# `make demo`, `make test` and `make repro` set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
LOCKED := $(BIN)/pip install --quiet --require-hashes --no-deps --no-build-isolation
# dvc starts the stages as plain `python`, which must be the one of .venv.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup demo check test lint repro experiment protocols trials explanations importance robustness enrolment compare fuse table tune bench report readme audit lock

# make setup TORCH=cpu takes PyTorch's build without CUDA, from the index that pip knows it from.
setup: .venv/ready

.venv/ready: pyproject.toml requirements.lock $(wildcard requirements/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo 'Setting up .venv: this takes a minute or two.'
	$(PYTHON) -m venv .venv
	$(LOCKED) -r requirements/build.lock
	$(if $(filter cpu,$(TORCH)),$(LOCKED) -r requirements/torch-cpu.lock)
	@$(if $(filter cpu,$(TORCH)),$(BIN)/python -c 'import importlib.util as u; u.find_spec("torch") or print("requirements/torch-cpu.lock has no PyTorch for this Python and system: PyPI has its build installed")')
	$(LOCKED) -r requirements.lock
	@# PyPI's torch for Linux needs CUDA's libraries; the build for CPUs alone does not.
	if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit("+cpu" in m.version("torch"))'; then $(LOCKED) -r requirements/cuda.lock; fi
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	@touch $@

demo: setup
	@python -m scripts.demo

# For every save: lint, the examples in docstrings, and the tests that take no longer than a minute.
check: lint
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile -m 'not real and not slow'

test: lint
	@# One thread per test process, because more would only wait for each other.
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	ruff check .
	ruff format --check .
	mypy
	codespell

repro: setup
	dvc repro

# Run one of experiments/*.yaml: make experiment NAME=loso
# SET changes one more param: make experiment NAME=emobox SET='split.emobox=/path/to/EmoBox/data'
# The experiment is stored under its name and that setting.
experiment: setup
	@python -m scripts.experiments "$$NAME" $${SET:+"$$SET"}

# Measure the headline figures, five seeds each: make protocols EMOBOX=/path/to/EmoBox/data
protocols: setup
	@python -m scripts.suites protocols $${EMOBOX:+--emobox "$$EMOBOX"} $$NAMES

# Measure the settings of docs/experiments.md by cross-validation without the test clips:
# make trials EMOBOX=/path/to/EmoBox/data SEEDS=3
trials: setup
	@python -m scripts.suites trials $${EMOBOX:+--emobox "$$EMOBOX"} $${SEEDS:+--seeds "$$SEEDS"} $$NAMES

# Check the explanations of the model in data/model, as docs/explanations.md describes.
explanations: setup
	@python -m scripts.explanations

# Measure which groups of features the model in data/model needs, if it is of functionals.
importance: setup
	@python -m scripts.importance

# List the experiments of this commit: figures, seconds of training, params that differ.
table: setup
	@python -m scripts.table

# Measure what recordings of an unknown voice bring, as docs/robustness.md describes.
enrolment: setup
	@python -m scripts.enrolment

# Test the model in data/model under other recording conditions, as docs/robustness.md describes.
# NAME is the experiment that it is of, if any: make robustness NAME=robust
robustness: setup
	@python -m scripts.robustness $(if $(filter command line,$(origin NAME)),"$$NAME")

# Run all of experiments/suites/compare.yaml, or some:
# make compare NAMES='default s1-kfold' EPOCHS=10
compare: setup
	@python -m scripts.suites compare $${EPOCHS:+--epochs "$$EPOCHS"} $$NAMES

# Measure the models of finished experiments together: make fuse NAMES='default functionals'
fuse: setup
	@python -m scripts.fusion $$NAMES

# Search for better params on the val clips: make tune TRIALS=20
tune: setup
	@python -m scripts.tune $${TRIALS:+"$$TRIALS"}

# Compare the speed with that of other libraries, on the data of a finished `dvc repro`; best on an
# idle machine. --no-deps, because audiomentations requires an older soxr but works with ours.
bench: setup
	@pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	@python -m benchmarks.imports
	@python -m benchmarks.run

# Write report.html, one page about the last run; to compare with a revision, or an experiment of
# this commit: make report BASE=main
report: setup
	@python -m scripts.report --base="$$BASE"

# Update the figures in the README, and in DagsHub's file, from metrics/.
readme: setup
	python -m scripts.readme
	python -m scripts.dagshub_metrics

# Ask PyPI for known vulnerabilities of what is pinned. docs/security.md says why one is ignored.
audit: setup
	pip-audit --require-hashes --disable-pip --requirement requirements.lock --requirement requirements/cuda.lock --ignore-vuln GHSA-w8v5-vhqr-4h9v

# Pin what pyproject.toml asks for anew, with hashes; what is pinned already stays.
lock: setup
	python -m scripts.lock
