# A fresh machine needs python3 (3.10 or newer), its venv module, make and a package index; everything else goes to .venv.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
NO_INDEX = The packages that setup.cfg names are missing and pip could not bring them. Is there a network, and does pip know \
  the index to use ($(BIN)/pip config list)?

CUDA ?= cuda13x

.PHONY: help train test test-oldest test-gpu bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make train   set up $(VENV), then train a detector on photographs of tree crowns and show what it finds'
	@echo 'make test    set up $(VENV), then lint, type-check and run the test suite'
	@echo 'make test-oldest   the suite again with the oldest protobuf that is supported, in an environment of its own'
	@echo 'make test-gpu   the tests that need an NVIDIA GPU; CUDA=cuda12x for a driver of CUDA 12'
	@echo 'make bench   time it beside PyTorch, installed in an environment of its own; about ten minutes, results in runs/bench'
	@echo 'make clean   remove $(VENV), runs/ and whatever building and testing left behind'

train: $(VENV)/train.installed
	$(BIN)/python models/quickstart/run.py

test: $(VENV)/test.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2  # two workers, a core each

test-oldest:
	$(MAKE) VENV=$(VENV)/oldest $(VENV)/oldest/test.installed
	$(VENV)/oldest/bin/pip uninstall --quiet --yes grpcio-tools  # they need a newer one
	$(VENV)/oldest/bin/pip install --quiet 'protobuf==3.20.3'
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/oldest/bin/python -m pytest -n 2 -p no:cacheprovider

test-gpu: $(VENV)/test.installed $(VENV)/$(CUDA).installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m gpu tests/gpu

# Without PyTorch, where there is no build of it, minicaffe is timed alone.
bench:
	$(MAKE) VENV=$(VENV)/bench $(VENV)/bench/plot.installed
	$(VENV)/bench/bin/pip install --quiet --editable '.[bench]' || echo 'PyTorch cannot be installed here: no comparison'
	$(VENV)/bench/bin/python benchmarks/cpu.py

clean:
	rm -rf $(VENV) runs build dist minicaffe.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew only when setup.cfg changes. Two targets share it: training does not wait for the test tools.
$(VENV)/train.installed: EXTRA = quickstart
$(VENV)/test.installed: EXTRA = test
$(VENV)/plot.installed: EXTRA = plot
$(VENV)/$(CUDA).installed: EXTRA = $(CUDA)
$(VENV)/%.installed: setup.cfg | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[$(EXTRA)]' || { echo '$(NO_INDEX)' >&2; exit 1; }
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo '$(PYTHON) is missing or older than 3.10; name another: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
	  || { echo 'This Python has no venv module. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
