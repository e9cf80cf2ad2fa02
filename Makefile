# make demo    the whole promise on one machine: drawn and real images -> datasets -> a trained model -> its score
# make test    every check and every test
# make check   lint, format, types
# make bench   the figures in the docs
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OVERLAY := $(VENV)/webdataset-0.2.86

.PHONY: demo test check bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mgll needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "== 0. set up $(VENV): about 6 GB, two minutes or more"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	touch $@

# open_clip's own loader needs an older webdataset: it lives in a folder of its own, put first on PYTHONPATH by the test.
$(OVERLAY): $(READY)
	$(BIN)/python -m pip install -qq --no-deps --target $@ webdataset==0.2.86

demo: $(READY)
	BIN=$(abspath $(BIN)) bash demo.sh

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check $(OVERLAY)
	MGLL_WEBDATASET_OVERLAY=$(abspath $(OVERLAY)) $(BIN)/python -m pytest

bench: $(READY)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf build published runs .venv
