# make discover [ARGS="PATH --num-clusters K"]: run the main job; without ARGS, on the generated toy city
# make test [COVERAGE=1]: lint, types and every test without a mark, in some minutes; with coverage a quarter more
# make test-all: the tests that are slow, start processes or a browser, or need real images
# Each works alone from a fresh clone: it makes .venv and installs into it when pyproject.toml has changed.

# The first interpreter that starts, is new enough and can make a virtual environment; version managers leave
# commands on the PATH that do not start.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
# make discover ARGS="PATH --num-clusters K" takes another folder than the toy city, and its settings
ARGS ?= --config configs/toycity_kmeans_memory.yaml
# One per core of a small machine; the tests' own thread pools stay at one thread beside it
WORKERS ?= 2

.DELETE_ON_ERROR:
.PHONY: discover test test-all lint clean

discover: $(INSTALLED)
	$(BIN)/python tools/discover.py $(ARGS)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS)
MARKED := slow or ddp or browser or real_data

test: lint
	$(PYTEST) -m "not ($(MARKED))" $(if $(COVERAGE),--cov --cov-report=term)

test-all: $(INSTALLED)
	$(PYTEST) -m "$(MARKED)"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build *.egg-info

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "objdisc: no Python >= 3.11 with venv was found; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@
