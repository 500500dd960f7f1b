# `make demo` and `make test` each do all their own set-up; they need Python 3.11+, pip and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FLOORS := build/floors
STAMP  := $(VENV)/.installed

.PHONY: demo test test-slow chaos check bench setup docs dist floors hashes clean

demo: $(STAMP)          ## the main job on embedded real data, about two minutes
	$(BIN)/quasistatic demo --out demo

test: $(STAMP)          ## the whole default test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-slow: $(STAMP)     ## the tests over two seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and not chaos"

chaos: $(STAMP)         ## odd inputs to every command, and kills of runs: about an hour; prints its seeds
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m chaos.fuzz --json docs/measured/fuzz.json
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m chaos.runs --json docs/measured/runs.json

check: $(STAMP)         ## style, types, layers, and their diagram in docs/architecture.md
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py
	$(BIN)/python docs/draw_layers.py --check

bench: $(STAMP)         ## against public peers, side by side; what a step costs, and how it grows
	$(BIN)/python benchmarks/throughput.py --json docs/measured/throughput.json
	$(BIN)/python benchmarks/memory.py --json docs/measured/memory.json
	$(BIN)/python benchmarks/allocation.py --json docs/measured/allocation.json
	$(BIN)/python benchmarks/operations.py --json docs/measured/operations.json
	$(BIN)/python benchmarks/discrete.py --json docs/measured/discrete.json
	$(BIN)/python benchmarks/startup.py --json docs/measured/startup.json
	$(BIN)/python benchmarks/scaling.py --json docs/measured/scaling.json
	$(BIN)/python benchmarks/performance.py

setup: $(STAMP)         ## the virtual environment only; with VERIFY=1 all of it but torch by its sha256

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "quasistatic needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(if $(VERIFY),$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement hashes.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

docs: $(VENV)/.docs     ## the site, in build/docs; runs every tutorial, with warnings as errors
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/building -b html docs build/docs
	$(BIN)/python docs/building/links.py build/docs

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

dist: $(STAMP)          ## wheel and sdist, in dist/
	$(BIN)/python -m build --outdir dist .

floors:                 ## the lowest versions in constraints-min.txt: the quick demo, and tests of what each is used for; Python 3.11
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python -m pip install --quiet --constraint constraints-min.txt ".[onnx,ray,serve,textures,tokens,track,wandb,xlsx]" \
		pytest pytest-xdist hypothesis httpx2 polars pyyaml
	$(FLOORS)/bin/quasistatic demo --quick --out $(FLOORS)/demo
	OMP_NUM_THREADS=1 $(FLOORS)/bin/python -m pytest -n 2 -W default -o addopts="-q --import-mode=importlib" -m "not slow" \
		tests/recipes/test_fit.py tests/data/codec tests/sklearn/test_estimators.py tests/model/test_model.py tests/model/test_hub.py \
		tests/model/test_onnx.py tests/training/test_track.py tests/data/test_load.py tests/data/source tests/config \
		tests/runtime tests/plotting tests/serve/test_app.py tests/cli/test_help.py tests/batch

hashes:                 ## of the packages in constraints.txt, from the index; needs uv
	(head -1 hashes.txt && grep -v '^torch==' constraints.txt | uv pip compile - --no-deps --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --quiet) > .hashes.part
	mv .hashes.part hashes.txt

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info
