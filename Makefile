# make setup    a virtual environment in .venv: what requirements.lock pins, and this project, editable
# make run      the registry on data/tree, and the sample specs imported through it; results under out/
# make test     the tests, without those that are slow or need a real client program
# make check    formatting, lint, types
# make clients  the tests that need real clients: programs that are installed, and packages of requirements-clients.lock
# make bench    the benchmarks
# make lock     requirements.lock and requirements-clients.lock anew from pyproject.toml (needs uv)
# make clean    removes what the targets above made
#
# PYTHON=python3.12 chooses the interpreter, VENV=DIR where the environment goes.

PYTHON ?= python3
VENV   ?= .venv
MARKS  ?= not slow and not clients
BIN    := $(VENV)/bin

# Whatever the machine says: without bytecode each process compiles all that it imports, and pytest rewrites every test
# in every run.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := setup
.PHONY: setup run test check clients bench lock clean

# Compiled ahead: whatever is started next, also where Python is told not to write byte code, starts at once.
setup: $(VENV)/.project
	@$(BIN)/python -m compileall -q fake_registry mirror

# The copy of the lock file in the environment says what is installed there: a new time stamp alone
# (a checkout, a branch and back) installs nothing.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) has to be Python 3.11 or newer, with venv: make PYTHON=python3.12 chooses another" >&2; exit 1; }
	@if cmp -s requirements.lock $@; then touch $@; else \
	  set -ex; \
	  $(PYTHON) -m venv --clear $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock; \
	  cp requirements.lock $@; \
	fi

# hatchling is in the lock file, so that building the project needs no second environment.
$(VENV)/.project: $(VENV)/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
	@PATH="$(abspath $(BIN)):$$PATH" sh data/run.sh out

test: setup
	$(BIN)/python -m pytest --quiet --numprocesses auto --dist worksteal -m "$(MARKS)" $(TESTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# For an environment of its own: VENV=.venv-clients.
clients: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-clients.lock
	$(BIN)/python -m pytest --quiet --numprocesses auto --dist worksteal -m clients $(TESTS)

bench: setup
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

lock:
	echo 'hatchling>=1.25' | uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
	  --no-annotate --no-header --output-file requirements.lock pyproject.toml --group test --group check -
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --constraint requirements.lock \
	  --no-annotate --no-header --output-file requirements-clients.lock pyproject.toml --group test --group clients

clean:
	rm -rf .venv $(wildcard .venv-*) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fake_registry mirror tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
