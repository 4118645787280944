# Perene. `make` alone lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
PYTEST := $(BIN)/python -m pytest
suite = $(wildcard $(addprefix tests/,$(1)))

.DEFAULT_GOAL := help
.PHONY: help setup up demo down status doctor test test-unit test-workflows test-db test-api test-simulator test-e2e test-slow \
	chaos bench test-browser lint format lock clean

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## prepare .venv with everything, pinned by hash (again: nothing to do)

$(READY): requirements/dev.txt requirements/runtime.in pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Perene needs Python 3.11 or later, and $(PYTHON) is not; try: make setup PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); } || \
		{ echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

up: setup ## run the whole stack here until Ctrl-C (ARGS="--simulator --workers 2 --detach")
	@$(BIN)/perene up $(ARGS)

demo: setup ## run it on the simulated WhatsApp with a tour, then stay up until Ctrl-C
	@$(BIN)/perene demo $(ARGS)

down: setup ## stop the stack of this folder
	@$(BIN)/perene down

status: setup ## show its processes and addresses
	@$(BIN)/perene status

doctor: setup ## check this machine
	@$(BIN)/perene doctor

test: setup ## every suite but chaos, the browser and what takes minutes
	$(PYTEST) -m "not slow" $(call suite,unit workflows replay db api simulator e2e) $(ARGS)

test-unit: setup ## pure functions and small pieces
	$(PYTEST) $(call suite,unit) $(ARGS)

test-workflows: setup ## workflows on a test server, and replay of recorded histories
	$(PYTEST) $(call suite,workflows replay) $(ARGS)

test-db: setup ## PostgreSQL: schema, rights, store
	$(PYTEST) $(call suite,db) $(ARGS)

test-api: setup ## REST and Socket.IO against the contract
	$(PYTEST) $(call suite,api) $(ARGS)

test-simulator: setup ## the simulator against the unmodified library
	$(PYTEST) $(call suite,simulator) $(ARGS)

test-e2e: setup ## real processes, the whole way
	$(PYTEST) -m "not slow" $(call suite,e2e) $(ARGS)

test-slow: setup ## what takes minutes: a QR code's whole life, a hundred sessions ten times
	$(PYTEST) -m slow $(call suite,e2e chaos) $(ARGS)

chaos: setup ## kill things and look for losses (PERENE_KILL_RESULTS=file.json keeps the times)
	$(PYTEST) -m "not slow" $(call suite,chaos) $(ARGS)

test-browser: setup ## the page, in Chromium
	$(PYTEST) $(call suite,browser) $(ARGS)

bench: setup ## measure (see benchmarks/)
	$(BIN)/python -m benchmarks $(ARGS)

lint: setup ## format, lint, types, import rules, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@rm -rf build/migrations && mkdir -p build/migrations
	@# What undoes a migration drops things by design; what makes it may not.
	@for file in sql/migrations/*.sql; do \
		awk '/^-- migrate:down/ {exit} {print}' $$file > build/migrations/$$(basename $$file); done
	$(BIN)/squawk build/migrations/*.sql

format: setup ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## pin the requirements again, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	for kind in runtime dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
			requirements/$$kind.in --output-file requirements/$$kind.txt || exit 1; \
	done

clean: ## remove caches and builds (never data: that is in .perene)
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
