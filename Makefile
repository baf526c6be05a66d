# make demo   set up and run the main job on a phantom; results in demo-output/
# make check  lint, types, layers and the fast tests, in under two minutes
# make test   everything
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo check lint fast test cwl clean

demo: .venv/base
	$(BIN)/python examples/demo.py demo-output

check: lint fast

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'src/*.py')

fast: .venv/dev
	$(BIN)/pytest -m "not slow"

test: .venv/train lint
	$(BIN)/pytest

cwl: .venv/dev
	$(BIN)/python -m voxome.workflow.describe

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "voxome needs Python 3.11 or newer; give one with make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/base: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ .venv/base

.venv/train: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev,train]'
	touch $@ .venv/dev .venv/base

clean:
	rm -rf .venv demo-output
