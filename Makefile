# `make` alone lists the targets. Everything it needs but Python, git and make itself it fetches by itself.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
PROGRAMS := operator training serving monitoring
STAGES := lint unit contract integration e2e
BIN := .venv/bin
UV := VIRTUAL_ENV=.venv $(BIN)/uv pip
# What walks the trees of a model in serving; without it ONNX Runtime does, which is slower.
TREES := serving/housing_serving/native/trees-$(shell uname -m).so
LOCK := $(UV) compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# Two at a time: most tests wait for a process more than they compute. A file's tests share what its fixtures start.
PARALLEL := --numprocesses 2 --dist loadfile
# What tests and demo stand on is typed like the programs; what these import comes along.
TYPED_TESTS := $(wildcard tests/*.py) tests/demo tests/documentation tests/e2e tests/bench charts/dashboards
# Of bench-monitoring: some of false-alarms, power, speed and run; all when empty.
PARTS :=
# What takes a minute or more is left to test-all, so that CI ends in half an hour.
MARKS ?= not slow
# Further arguments for pytest, as in `make unit PYTEST_ARGS="-k drift"`.
PYTEST_ARGS :=
# `make soak MINUTES=2` is a try.
MINUTES := 10
# `make demo-drift NEW_DATA=no` adds nothing to the dataset.
NEW_DATA := yes

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "; print "usage: make <target>"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {gsub(/[$$][$$]/, "$$", $$2); printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it
.PHONY: demo
demo: setup ## From nothing to a live prediction on real listings; minutes on a second run.
	@$(BIN)/python -m tests.demo up

.PHONY: demo-drift
demo-drift: setup ## After demo: another city's listings, drift, retraining, the new version (NEW_DATA=no: none).
	@$(BIN)/python -m tests.demo drift $(if $(filter no,$(NEW_DATA)),--without-new-data)

##@ Check it
.PHONY: test
test: setup ## Lint and all tests; starts a cluster where there is none.
	@begun=$$SECONDS; \
	for stage in $(STAGES); do \
	  printf '\n======== %s\n' $$stage; stage_begun=$$SECONDS; \
	  $(MAKE) $$stage || { printf '======== %s failed after %d s\n' $$stage $$((SECONDS - stage_begun)); exit 1; }; \
	  printf '======== %s passed in %d s\n' $$stage $$((SECONDS - stage_begun)); \
	done; \
	printf '\nlint and all tests passed in %d s\n' $$((SECONDS - begun))

.PHONY: test-all
test-all: export MARKS = slow or not slow
test-all: test test-documentation fuzz bench soak soak-connection ## The same, every command of the docs, thousands of generated requests, benchmarks and soaks.

.PHONY: lint
lint: setup ## Style, types, import rules, and that generated files are up to date.
	@$(BIN)/ruff check .
	@$(BIN)/black --check --quiet --diff .
	@$(BIN)/mypy
	@$(BIN)/mypy $(TYPED_TESTS)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m housing_core.api --check
	@$(BIN)/python -m charts.dashboards --check

.PHONY: unit
unit: setup ## Pure tests, in about two minutes.
	@$(BIN)/pytest tests/unit $(PARALLEL) $(PYTEST_ARGS)

.PHONY: contract
contract: setup cluster-up ## What types, CRD and chart promise each other, and what the API server refuses.
	@$(BIN)/python -m tests.hold_operator $(BIN)/pytest tests/contract $(PARALLEL) $(PYTEST_ARGS)

.PHONY: integration
integration: setup cluster-up ## Each program against a real MLflow server and a real API server.
	@$(BIN)/python -m tests.hold_operator $(BIN)/pytest tests/integration -m "$(MARKS)" $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-documentation
test-documentation: setup images ## Every command of README and docs, also those that remove everything again.
	@$(BIN)/pytest tests/documentation --exitfirst --capture=no $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: setup ## Thousands of generated requests to every route of serving.
	@SCHEMATHESIS_CASES=300 $(BIN)/pytest tests/integration/serving/test_schema.py --timeout 3600 $(PYTEST_ARGS)

.PHONY: e2e
e2e: setup images ## The whole system on the cluster, on real listings.
	@$(BIN)/pytest tests/e2e -m "$(MARKS)" $(PYTEST_ARGS)

.PHONY: bench
bench: setup images ## Benchmarks.
	@$(BIN)/pytest tests/bench $(PYTEST_ARGS)

.PHONY: bench-training
bench-training: setup ## The default recipe against the seed's on paired splits; hours, goes on where it stopped.
	@$(BIN)/python -m tests.bench.training_splits

.PHONY: bench-training-clock
bench-training-clock: setup ## The same by the clock, with whole Jobs: for a quiet machine, in about 20 minutes.
	@$(BIN)/python -m tests.bench.training_clock

.PHONY: bench-rows
bench-rows: setup ## Trainings of 10,000 to 1,000,000 rows; writes docs/results/rows.md, goes on where it stopped.
	@$(BIN)/python -m tests.bench.training_rows

.PHONY: soak
soak: setup images ## Production under load while its pods are killed, rolled, scaled and evicted (MINUTES=10).
	@$(BIN)/python -m tests.bench.soak --minutes $(MINUTES)

.PHONY: soak-connection
soak-connection: setup ## A million requests to serving on one connection, and its memory before and after.
	@$(BIN)/python -m tests.bench.serving.one_connection

.PHONY: bench-claims
bench-claims: setup ## The seed's claims, each with and without; writes docs/results/claims.md, goes on where it stopped.
	@$(BIN)/python -m tests.bench.claims

.PHONY: bench-serving
bench-serving: setup wrk ## Compare serving with its peers; writes docs/results/serving.md, in about 40 minutes.
	@$(BIN)/python -m tests.bench.serving --output docs/results/serving.md

.PHONY: bench-serving-log
bench-serving-log: setup wrk ## What the prediction log costs; writes its part of docs/results/serving.md, in three minutes.
	@$(BIN)/python -m tests.bench.serving.log_cost

.PHONY: bench-serving-quick
bench-serving-quick: setup wrk ## The same with ours, the empty route and one peer, in minutes; prints the table.
	@$(BIN)/python -m tests.bench.serving --quick --passes 1 --seconds 4

.PHONY: bench-serving-prepare
bench-serving-prepare: setup wrk ## What bench-serving makes first: models, and an environment for each server.
	@$(BIN)/python -m tests.bench.serving --prepare

.PHONY: bench-monitoring
bench-monitoring: setup ## False alarms, power, speed and memory of monitoring; goes on where it stopped (PARTS="speed run").
	@$(BIN)/python -m tests.bench.monitoring $(PARTS)

.PHONY: bench-distributed
bench-distributed: setup ## Trees and trials shared with workers; writes docs/results/distributed.md, in about ten minutes.
	@$(BIN)/python -m tests.bench.distributed

.PHONY: wrk
wrk:
	@command -v wrk >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get install --yes --quiet -o DPkg::Lock::Timeout=300 wrk; } \
	  || { echo "error: wrk is not on PATH: install it (apt-get install wrk)" >&2; exit 1; }

##@ Cluster
.PHONY: cluster-up
cluster-up: ## Find or start a cluster: the present context if tests may use it, else kind, else tests/cluster.
	@tests/cluster/cluster.sh up

.PHONY: cluster-down
cluster-down: ## Delete the cluster that cluster-up started, with its volumes.
	@tests/cluster/cluster.sh down

.PHONY: cluster-env
cluster-env: ## Print the shell settings for kubectl and helm: eval "$$(make cluster-env)".
	@tests/cluster/cluster.sh env

.PHONY: images
images: cluster-up ## Build the five images and load them into the cluster.
	@tests/cluster/images.sh

##@ Work on it
.PHONY: setup
setup: .venv/.synced $(TREES) ## Make .venv with everything locked; instant when nothing changed.

.PHONY: generate
generate: setup ## Write the CRD, its reference page, the drift report's schema, and the dashboards.
	@$(BIN)/python -m housing_core.api
	@$(BIN)/python -m charts.dashboards

.PHONY: format
format: setup ## Format the code and fix what ruff can fix.
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/black --quiet .

.PHONY: lock
lock: $(BIN)/uv ## Write the hashed lock files; versions that still fit stay.
	@$(LOCK) pyproject.toml --all-extras --output-file tests/requirements.txt
	@for program in $(PROGRAMS); do \
	  $(LOCK) pyproject.toml --extra $$program --constraint tests/requirements.txt --output-file $$program/requirements.txt; \
	done
	@$(LOCK) charts/mlflow/requirements.in --output-file charts/mlflow/requirements.txt
	@$(LOCK) core/build-requirements.in --output-file core/build-requirements.txt
	@$(LOCK) serving/native/requirements.in --output-file serving/native/requirements.txt
	@for client in kserve mlserver; do \
	  $(LOCK) tests/clients/$$client.in --output-file tests/clients/$$client.txt; \
	done

.PHONY: clean
clean: ## Remove what make made in this folder; the cluster stays.
	rm -rf .venv serving/housing_serving/native .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build housing_operator.egg-info

$(BIN)/uv:
	@for name in python3 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	[ -n "$$python" ] || { echo "error: no Python from 3.11 to 3.13 is on PATH: install one (apt-get install python3)" >&2; exit 1; }; \
	echo "making .venv with $$($$python --version)"; \
	$$python -m venv --clear .venv || { echo "error: $$python cannot make a venv: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: $(BIN)/uv tests/requirements.txt core/build-requirements.txt pyproject.toml
	@echo "installing the locked dependencies into .venv"
	@# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, each start of a program would compile them anew.
	@$(UV) sync --quiet --compile-bytecode --require-hashes tests/requirements.txt
	@$(UV) install --quiet --no-deps --build-constraints core/build-requirements.txt --editable .
	@touch $@

$(TREES): serving/native/trees.c serving/native/compile.sh serving/native/requirements.txt | .venv/.synced
	@echo "compiling serving/native/trees.c"
	@[ -x build/compiler/bin/python ] || .venv/bin/python -m venv --without-pip build/compiler
	@VIRTUAL_ENV=build/compiler $(BIN)/uv pip sync --quiet --require-hashes serving/native/requirements.txt
	@serving/native/compile.sh build/compiler/bin/python $(@D)
