# make run    create .venv, install, route examples/requests.jsonl     make lint   ruff and mypy
# make test   the whole test suite                                     make bench  measure, and write benchmarks/results
# make bench-short   the short form: ratios only, for CI; fails on gross regressions
# PYTHON=/path/to/python chooses the interpreter (3.11 or newer), VENV the folder of the environment.

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
TRIED := $(PYTHON) python3.13 python3.12 python3.11 python3.14 python3 python

.PHONY: run test lint bench bench-short clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@$(BIN)/router route examples/requests.jsonl

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/startup/run.py
	$(BIN)/python benchmarks/decision/run.py
	$(BIN)/python benchmarks/render.py

bench-short: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.short

clean:
	rm -rf $(VENV) dist build

SOURCES := $(wildcard src/router/_*.c src/router/_*.h)

# A name on the PATH may be a launcher without an interpreter behind it, so each is tried by running it.
$(BIN)/python:
	@for python in $(TRIED); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Creating $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python cannot create an environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed and was not found (tried: $(strip $(TRIED)))." >&2; \
	echo "Install it, or name it: make run PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/.installed: pyproject.toml hatch_build.py $(SOURCES) | $(BIN)/python
	@echo "Installing guide-router and what it needs into $(VENV) (the first time takes a minute)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml deep/pyproject.toml hatch_build.py $(SOURCES) | $(BIN)/python
	@echo "Installing guide-router with its development tools into $(VENV) (the first time takes a minute)"
	@$(PIP) --editable '.[dev]' ./deep
	@touch $@ $(VENV)/.installed
