# Two commands do everything: `make demo` and `make test`. See README.md.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
SCENARIO ?= transcontinental
ARGS ?=
FUZZ_SECONDS ?= 60
PYTEST_ARGS ?=

.PHONY: help setup setup-dev demo test kill-test check format lock clean fuzz api-fuzz

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Make .venv with what the program needs
	@tools/setup.sh run

setup-dev: ## The same, and what tests and checks need
	@tools/setup.sh dev

demo: setup ## Fly a payload through the relay to the ground (SCENARIO=…, ARGS="…")
	@$(PY) -m overflight demo --scenario $(SCENARIO) $(ARGS)

test: setup-dev ## Run all tests
	@$(PY) -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

kill-test: setup-dev ## Kill a payload 100 times in one flight
	@OVERFLIGHT_KILLS=100 $(PY) -m pytest -q tests/system/test_payload.py -k killed

check: setup-dev ## Formatter, linter, type checker, import rules
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

format: setup-dev ## Format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

fuzz: setup-dev ## Fuzz the MQTT core and the filter language (FUZZ_SECONDS=60 each)
	@$(PY) -m pip install -q --require-hashes --no-deps -r requirements/fuzz.lock 2>/dev/null || uv pip install -q --python $(PY) --require-hashes -r requirements/fuzz.lock
	@mkdir -p build/fuzz/mqtt build/fuzz/filters
	@cd build/fuzz && ../../$(PY) ../../fuzz/fuzz_mqtt.py mqtt ../../fuzz/corpus -max_total_time=$(FUZZ_SECONDS) -max_len=400
	@cd build/fuzz && ../../$(PY) ../../fuzz/fuzz_filters.py filters ../../fuzz/corpus-filters -max_total_time=$(FUZZ_SECONDS) -max_len=200

api-fuzz: setup-dev ## Look for a 500 in the ground's API (ARGS="--seconds 60")
	@$(PY) tools/api_fuzz.py $(ARGS)

lock: ## Rewrite the lock files (needs uv)
	@tools/lock.sh

clean: ## Remove the environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
