# Everything runs in .venv, made from whatever Python 3.11+ is at hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
EXAMPLES ?= 2000
SEEDS ?= 2000
CANARY_SEEDS ?= 12
CYCLES ?= 500
HANDOVERS ?= 200
MINUTES ?= 10
INPUTS ?= 1000000
BASE ?= HEAD~1
SEED ?= 1

.PHONY: demo test properties check clean lock simulate canaries crash fencing outage powercut fuzz bench bench-compare
.DEFAULT_GOAL := test

demo: $(INSTALLED)
	$(BIN)/stocktruth-sim demo $(ARGS)

# Two files of tests at a time: most of them wait for processes.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

# The state machines, long: make properties EXAMPLES=20000.
properties: $(INSTALLED)
	STOCKTRUTH_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/properties $(ARGS)

# The long campaigns. Each prints what it did, and the command that repeats a failure.
simulate: $(INSTALLED)
	$(BIN)/stocktruth-sim simulate --seeds $(SEEDS) $(ARGS)

canaries: $(INSTALLED)
	$(BIN)/stocktruth-sim canaries --seeds $(CANARY_SEEDS) $(ARGS)

crash: $(INSTALLED)
	$(BIN)/stocktruth-sim crash --cycles $(CYCLES) --seed $(SEED) $(ARGS)

fencing: $(INSTALLED)
	$(BIN)/stocktruth-sim fencing --journal sqlite --handovers $(HANDOVERS) --seed $(SEED) $(ARGS)
	$(BIN)/stocktruth-sim fencing --journal postgres --handovers $(HANDOVERS) --seed $(SEED) $(ARGS)

outage: $(INSTALLED)
	$(BIN)/stocktruth-sim outage --minutes $(MINUTES) --seed $(SEED) $(ARGS)

powercut: $(INSTALLED)
	$(BIN)/stocktruth-sim powercut --cycles $(CYCLES) --seed $(SEED) $(ARGS)

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED) $(ARGS)

# All benches, and docs/benchmarks.md; what a change cost: make bench-compare BASE=main~3.
bench: $(INSTALLED)
	$(BIN)/stocktruth-sim benchmarks $(ARGS)

bench-compare: $(INSTALLED)
	$(BIN)/stocktruth-sim bench-compare $(BASE) $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Pins what the tests run on; the ranges in pyproject.toml say what a user may install.
lock:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf $(VENV) .venv-sllurp .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
