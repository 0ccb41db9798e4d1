# Every target sets up what it needs: a virtual environment in .venv, from pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS := $(VENV)/.docs
TPU := $(VENV)/tpu
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.PHONY: demo test test-slow test-plan coverage test-learning test-notebooks notebooks mutants docs check format bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jmeta needs Python 3.11 or later: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)  ## meta-train RL² on a bandit and compare it with the optimum, in about five minutes
	$(BIN)/python -m benchmarks.demo

# Tests mostly compile, and unoptimised code compiles in two thirds of the time; from the tested jaxlib's plainer emitters in half of it.
test test-slow test-plan coverage: export XLA_FLAGS += --xla_backend_optimization_level=0
test test-slow test-plan coverage: export XLA_FLAGS += --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false
test: $(READY)  ## the tests, within ten minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not learning and not slow and not plan" --durations 25 tests

test-slow: $(READY)  ## tests that take many processes, long compilations or whole trainings, and the examples in docstrings
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests
	$(BIN)/python -m pytest -n 2 --doctest-modules src/jmeta

# libtpu lies beside the other packages: JAX would look for TPUs at every start.
$(TPU): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --target $(TPU) libtpu

test-plan: $(TPU)  ## programs for GPUs and TPUs that are not here: all learners are lowered for both, and some compiled for TPUs
	JAX_PLATFORMS=cpu PYTHONPATH=$(TPU) $(BIN)/python -m pytest -n 2 --dist worksteal -m plan tests

coverage: $(READY)  ## which lines the tests of `make test` reach, by package
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not learning and not slow and not plan" --cov --cov-report term:skip-covered tests

test-learning: $(READY)  ## the long learning runs
	$(BIN)/python -m pytest -m learning tests

test-notebooks: $(READY)  ## executes the notebooks
	$(BIN)/python -m pytest -n 2 --nbmake --nbmake-timeout=900 -W default -p no:cacheprovider --timeout 1200 $(NOTEBOOKS)

notebooks: $(READY)  ## executes the notebooks and keeps their outputs
	$(BIN)/python -m pytest --nbmake --overwrite --nbmake-timeout=1800 -W default -p no:cacheprovider --timeout 2400 $(NOTEBOOKS)
	$(BIN)/python notebooks/tidy.py $(NOTEBOOKS)

# Some of the mutants: make mutants MUTANTS="sac 17", make mutants MUTANTS="--sample 10 --seed COMMIT", make mutants MUTANTS=--list.
mutants: $(READY)  ## changes the sources a line at a time, and the tests must notice each change; under an hour on two cores
	$(BIN)/python tests/mutants/run.py $(MUTANTS)

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(DOCS)  ## builds the documentation into docs/_build/html, without a network; a warning fails the build
	$(BIN)/python -m sphinx -b html -W --keep-going --fresh-env --write-all docs docs/_build/html

check: $(READY)  ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## formats and mends what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## throughput of both algorithms on a quiet machine
	$(BIN)/python -m benchmarks.throughput

clean:
	rm -rf $(VENV) .cache build dist src/*.egg-info $(addprefix docs/,_build algorithms api benchmarks notebooks tasks)
