# From a bare clone: `make compress` runs the main job, `make test` the tests; both set up .venv first.

SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.installed
WORKERS ?= 2

.PHONY: compress test lint train clean bench bench-quick

compress: $(READY)  ## compress the small network that the repository carries, without data
	@mkdir -p out
	$(BIN)/python scripts/compress.py --input_path models/digits.keras --output_path out/digits.tflite \
	    --pruning_structure unstructured --method fixed_params --compression_factor 0.5

test: $(READY)
	$(BIN)/python -m pytest --quiet --numprocesses=$(WORKERS) --dist=worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) out/peers/venv/.installed  ## every method on every network: many hours, and it goes on where it stopped
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/cost.py
	$(BIN)/python benchmarks/solver_bench.py
	$(BIN)/python benchmarks/compare_tables.py

out/peers/venv/.installed: $(READY) benchmarks/requirements-peers.txt  # the packages of the comparison, 8 GB
	$(BIN)/python -m venv out/peers/venv
	out/peers/venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements-peers.txt
	@touch $@

bench-quick: $(READY)  ## the same on the carried network alone: under ten minutes
	$(BIN)/python benchmarks/compare.py --suite quick --again
	$(BIN)/python benchmarks/compare_tables.py

train: $(READY)  ## train that network again
	$(BIN)/python scripts/train.py --output_path models/digits.keras

clean:
	rm -rf .venv out

# Made again when requirements.txt changes. `PYTHON=... make` chooses the interpreter; the first that will do is taken
# otherwise (3.13 last: the tools of the xcore target have no wheels there).
$(READY): requirements.txt
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    $$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
	    if ! $$python -c 'import ensurepip' 2>/dev/null; then lacking="$$python"; continue; fi; \
	    echo "making .venv with $$($$python --version), a few minutes the first time"; \
	    $$python -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	        --requirement requirements.txt && touch $@ && exit 0; exit 1; \
	done; \
	if [ -n "$$lacking" ]; then \
	    echo "error: $$lacking has no ensurepip to make .venv with; install it (Debian: apt-get install $$lacking-venv)." >&2; \
	else \
	    echo "error: no Python 3.11, 3.12 or 3.13 found; install one, or name it as in make PYTHON=/path/to/python3.12 test." >&2; \
	fi; exit 1
