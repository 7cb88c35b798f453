# Every target sets up .venv by itself; nothing else has to be installed than Python 3.11 or newer.
# A CPU-only torch (much smaller on Linux): PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two at a time; threads that wait for work sleep, since those of the other tests want the cores.
TESTS := OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test slow stress check audit format bench sample clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## restore the sample picture and say where it is
	@$(BIN)/nsr demo --output demo --if-exists overwrite

test: $(STAMP)  ## all tests but the slow ones
	$(TESTS)

slow: $(STAMP)  ## the slow tests: large benchmark sets, long runs
	$(BIN)/python -m pytest -m slow

stress: $(STAMP)  ## test every promise with its number; writes docs/reliability.md (up to 40 minutes)
	$(BIN)/python tools/write_reliability.py

check: $(STAMP)  ## lint, formatting, types, import order, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports
	$(TESTS) --durations=15

audit: $(STAMP)  ## look for known holes in the tested versions of what nsr depends on (asks pypi.org)
	$(BIN)/python -m pip install --quiet 'pip-audit>=2.9'
	$(BIN)/pip-audit -r constraints.txt --no-deps --disable-pip

format: $(STAMP)  ## sort imports and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## measure speed on this machine
	$(BIN)/nsr bench

sample: $(STAMP)  ## draw the sample picture again
	$(BIN)/python tools/draw_sample.py

clean:  ## remove everything that was made here
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
