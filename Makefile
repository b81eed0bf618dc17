# Each target installs what it needs; only Python 3.11+ and make have to be there.
# PYTHON=… picks the interpreter, ARGS=… is passed on, BENCH=… picks one benchmark,
# RUNS=… the sizes of ledgers that are measured, SEED=… and SEEDS=… the first seed of the fault suite
# and how many there are.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-faults test-kills fuzz check bench bench-extraction bench-orchestration bench-steps bench-ledger lock check-deploy clean
.DELETE_ON_ERROR:

BIN := .venv/bin
INSTALLED := .venv/.installed
RUNS ?= 100000
JOBS ?= $(shell cores=$$(nproc); jobs=$$((cores * 3 / 2)); echo $$((jobs > 6 ? 6 : jobs)))
SEED ?= 1
SEEDS ?= 20
FUZZ_CASES ?= 20000
BENCH ?= $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py))

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## start the engine, extract a sample database, show its run
	@$(BIN)/flowkeep demo $(ARGS)

test: $(INSTALLED) ## run the tests on real servers, three processes per two cores
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-long: $(INSTALLED) ## the tests that `make test` has no time for
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m long $(ARGS)

test-faults: test-kills ## break servers, processes and links under mixed runs; ledger = truth
	@$(BIN)/python -m tests.faults --seed $(SEED) --seeds $(SEEDS) $(ARGS)

test-kills: $(INSTALLED) ## the long form of the other fault tests: more kills, more random changes
	@MUTATION_SEEDS=20 MODEL_EXAMPLES=300 $(BIN)/python -m pytest --fault-points 10 \
		tests/extraction/test_kills.py tests/extraction/test_mutations.py \
		tests/statestore/test_model.py
	@$(BIN)/python -m pytest --fault-points 20 tests/statestore/archive/test_archive_crash.py
	@$(BIN)/python -m pytest --fault-points 10 --timeout 3600 \
		tests/extraction/logs/test_log_kills.py tests/extraction/logs/test_query_workflow.py \
		tests/definitions/runs/test_faults.py
	@$(BIN)/python -m pytest --fault-points 20 --timeout 3600 tests/api/test_kills.py
	@$(BIN)/python -m pytest --fault-points 24 --timeout 3600 tests/faults/test_step_kills.py \
		tests/recording/steps/test_steps.py

fuzz: $(INSTALLED) ## odd requests to the service; no answer may surprise (FUZZ_CASES=20000)
	@FUZZ_CASES=$(FUZZ_CASES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -s tests/api/test_fuzz.py $(ARGS)

check: $(INSTALLED) ## formatting, lint, types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/sync_client --check

bench: $(INSTALLED) ## run the benchmarks (one: make bench BENCH=engine)
	@set -e; for name in $(BENCH); do $(BIN)/python -m benchmarks.$$name $(ARGS); done

bench-extraction: $(INSTALLED) ## run the extraction's benchmarks, beside DataHub's
	@$(BIN)/python -m benchmarks.extraction $(ARGS)
	@$(BIN)/python -m benchmarks.extraction_workflow --tables 10000 100000 --peer datahub $(ARGS)

bench-orchestration: $(INSTALLED) ## what the ledger costs runs: the bare SDK and DBOS beside it
	@$(BIN)/python -m benchmarks.orchestration --repeat 20 --peer dbos $(ARGS)

bench-steps: $(INSTALLED) ## durable steps beside those of DBOS and Restate
	@$(BIN)/python -m benchmarks.steps $(ARGS)

bench-ledger: $(INSTALLED) ## measure the ledger (RUNS="100000 1000000" compares sizes)
	@$(BIN)/python -m benchmarks.ledger --runs $(RUNS) $(ARGS)

lock: ## write requirements.lock anew from pyproject.toml
	@tools/setup lock

check-deploy: $(INSTALLED) ## render and check the Helm chart (needs helm)
	@$(BIN)/python tools/check_deploy.py

clean: ## remove what make made; the state in .flowkeep stays
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml tools/setup
	@tools/setup install
