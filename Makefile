# Everything a fresh machine needs: Python 3.11 or newer, and make. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
READY := $(VENV)/.ready
CACHE := .cache
DEMAND ?= postgres,s3,data,ray

.DEFAULT_GOAL := help
.PHONY: help demo demo-rules test test-all faults check format lint types contracts up bench lock clean reference

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): locks/dev.txt pyproject.toml scripts/environment.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash scripts/environment.sh
	@touch $@

demo: $(READY) ## Take a real model through its whole governed life, on real data (a minute and a half)
	@$(BIN)/python -m examples.flights.demo

demo-rules: $(READY) ## The same for a lender's policy in DMN, on real applications
	@$(BIN)/python -m examples.rules.demo

up: $(READY) ## Start API, runtime and worker in this terminal
	@$(BIN)/modelyard up

test: $(READY) ## Run the tests (under ten minutes on two cores)
	@$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: $(READY) ## Run everything, with nothing skipped that could run
	@MODELYARD_DEMAND=$(DEMAND) $(BIN)/pytest -n 2 --dist worksteal

faults: $(READY) ## Kill API and workers under 200 releases, on SQLite and PostgreSQL (a quarter of an hour; SEED=n repeats one)
	@$(BIN)/python -m tests.faults.campaign --database sqlite $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.faults.campaign --database postgres $(if $(SEED),--seed $(SEED))

check: $(READY) format-check lint types contracts test ## Format, lint, types, import contracts and tests

.PHONY: format-check
format-check: $(READY)
	@$(BIN)/ruff format --check .

lint: $(READY) ## Lint
	@$(BIN)/ruff check .

types: $(READY) ## Type-check the package
	@$(BIN)/mypy

contracts: $(READY) ## Check who imports whom
	@$(BIN)/lint-imports --no-cache

format: $(READY) ## Format, and mend what lint can mend
	@$(BIN)/ruff check --fix-only -q . && $(BIN)/ruff format .

bench: $(READY) ## Run the benchmarks side by side with their peers (takes long; BENCH=name for one)
	@$(BIN)/python -m benchmarks $(BENCH)

reference: $(READY) ## Write docs/reference anew from the code
	@$(BIN)/python -m modelyard.api.openapi docs/reference/openapi.json
	@$(BIN)/python -m modelyard.cli.reference docs/reference/cli.md

lock: $(READY) ## Resolve the locks again
	@bash scripts/lock.sh "$(UV)"

clean: ## Remove environments, caches and the demo's files
	rm -rf $(VENV) $(CACHE) .modelyard .mypy_cache .ruff_cache .hypothesis dist build
