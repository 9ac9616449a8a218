SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITE := $(BIN)/pytest -n auto --dist loadgroup --no-loadscope-reorder -m 'not soak'
STAMP := $(VENV)/.ready
DEMO_ORDERS ?= 20000
PATTERN ?= lift_and_shift
export DEMO_ORDERS PATTERN

.PHONY: help setup demo ui test soak coverage unit bench lint clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Virtual environment and pinned packages; nothing outside the clone but caches

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lakeward needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.txt --editable .
	@$(BIN)/python -m compileall -q include plugins
	@touch $@

demo: setup ## A whole migration on real servers, up to the cutover (DEMO_ORDERS=20000, PATTERN=lift_and_shift, phased, strangler_fig or hybrid)
	@$(BIN)/python -m lakeward_airflow.demo

ui: setup ## The demo and a migration that is stuck, left running: prints Airflow's URL and login, ends on Ctrl-C
	@$(BIN)/python -m lakeward_airflow.demo --keep

test: setup ## The whole suite, with real servers
	@$(SUITE)

soak: setup ## The campaigns of faults in full length
	@$(BIN)/pytest -n auto --dist loadgroup -m soak

coverage: setup ## The suite with branch coverage of the core; fails below 95 %
	@$(SUITE) --cov=lakeward --cov-report=term:skip-covered

unit: setup ## The tests that need no server
	@$(BIN)/pytest -m "not lab and not soak"

bench: setup ## The data plane beside its peers, medians of three: docs/bench.md (about half an hour; BENCH="--help")
	@test -x .venv-bench/bin/python || $(BIN)/python -m venv .venv-bench
	@$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --requirement tests/bench/requirements.txt
	@$(BIN)/python -m tests.bench --report docs $(BENCH)

lint: setup ## ruff, mypy and the layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: ## Remove the demo's data, ledger and logs, and the caches; the environment stays
	@test ! -x $(BIN)/lakeward || $(BIN)/lakeward lab down >/dev/null 2>&1 || true
	@rm -rf .lakeward .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache build dist
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
