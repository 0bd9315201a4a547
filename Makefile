# Every target sets up .venv by itself, from hash-locked lists, and does so once.
# Needed: Python 3.11 or newer and make. Another Python: `make demo PYTHON=python3.12`.

PYTHON ?= python3
ARGS ?=

PY := .venv/bin/python
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input
# Wheels only: nothing that is downloaded runs while it is installed, and no compiler is needed.
LOCKED := $(INSTALL) --require-hashes --only-binary :all: --requirement
# A lock must not depend on what this machine's pip is configured to look at.
COMPILE := env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m piptools compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-options --build-deps-for wheel

# Files of tests run side by side; more than four at once would only wait for each other's services.
# In their order, not the smallest files last: those are the long ones.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo run test test-fast lint format docs bench chaos fuzz explore lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.runtime ## the whole main job on real data, then keep serving (ARGS=--exit: end instead)
	@.venv/bin/backpropd demo $(ARGS)

run: .venv/.runtime ## serve the API with one training worker (ARGS=... are serve's options)
	@.venv/bin/backpropd serve $(ARGS)

test: .venv/.dev ## all tests (ARGS=... are pytest's options)
	@$(PY) -m pytest $(PARALLEL) $(ARGS)

test-fast: .venv/.dev ## the tests that start no real processes and train nothing long
	@$(PY) -m pytest $(PARALLEL) -m "not slow" $(ARGS)

chaos: .venv/.dev ## kill jobs, workers and services N=200 times, and compare what comes out (ARGS=--seed 1)
	@PYTHONPATH=. $(PY) tests/system/chaos.py $(or $(N),200) $(ARGS)

fuzz: .venv/.dev ## read N=1000000 spoilt uploads of all formats (ARGS=--seed 1: others)
	@PYTHONPATH=. $(PY) tests/app/fuzz_uploads.py $(or $(N),1000000) $(ARGS)

explore: .venv/.dev ## send requests that the API's document allows, and others, for SECONDS=600
	@SCHEMATHESIS_SECONDS=$(or $(SECONDS),600) $(PY) -m pytest tests/system/test_schemathesis.py $(ARGS)

lint: .venv/.dev ## style, types, doors between the rooms, migrations, docs, image
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/app/test_migrations.py tests/system/test_locks.py tests/system/test_compose.py
	$(PY) docs/build.py --check
	.venv/bin/hadolint Dockerfile

format: .venv/.dev ## rewrite the code in its style
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs: .venv/.dev ## write what the docs take from the code
	$(PY) docs/build.py

bench: .venv/.dev ## run every benchmark (benchmarks/NAME.py runs one)
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(PY) "$$file" $(ARGS); done

lock: .venv/.dev ## resolve the dependencies anew (ARGS=--upgrade: to their newest versions)
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	|| { echo "make lock needs Python 3.11, the oldest that the lists must work on."; exit 1; }
	$(COMPILE) $(ARGS) --output-file requirements.txt pyproject.toml
	$(COMPILE) $(ARGS) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	$(COMPILE) $(ARGS) --extra postgres --constraint requirements-dev.txt --output-file requirements-postgres.txt pyproject.toml

clean: ## remove what make made; the data folder stays
	rm -rf .venv build dist backpropd.egg-info client/build client/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find engine app client migrations tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@command -v "$(PYTHON)" >/dev/null \
	|| { echo "backpropd needs Python 3.11 or newer, but there is no $(PYTHON). Name another: make PYTHON=..."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "backpropd needs Python 3.11 or newer, but $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Name another: make PYTHON=..."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "$(PYTHON) cannot make virtual environments: venv or ensurepip is missing. Debian, Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv (once) ..."
	@"$(PYTHON)" -m venv .venv
	@touch $@

# The build backend is in the list, so that the project itself is installed without a download.
.venv/.runtime: requirements.txt pyproject.toml | .venv/.created
	@$(LOCKED) requirements.txt
	@$(INSTALL) --no-index --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q app engine migrations # the first start is then as fast as the second
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@$(LOCKED) requirements-dev.txt
	@touch $@
