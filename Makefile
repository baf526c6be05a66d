# make demo   set up and run the main job on a phantom; results in demo-output/
# make check  lint, types, layers and the fast tests: 130 s of CPU time
# make test   everything
# make fuzz-relay   100,000 hostile requests on a relay, and those of Schemathesis
# make fuzz         100,000 damaged inputs for every decoder and kind of metadata
# make full-disks   every command that writes, 200 times on disks that get full; needs the right to mount
# make fuzz-reach   what damaged inputs reach of the decoders
# make test-image   build and run the container image of the relay
# make airflow      a run in a real Airflow 3, in an environment of its own
# make engines      the EM pipeline on all engines and in cwltool, Toil and Airflow: are tables and graph the same?
# make conformance  the conformance tests of CWL v1.1 and v1.2; with CACHE=--cache each twice, cold and warm
# make oldest, make newest   the fast tests with the lowest versions that pyproject.toml allows, and with the newest releases
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

OLDEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= $(or $(lastword $(shell ls -v $$(pyenv root 2>/dev/null)/versions/3.*/bin/python3 2>/dev/null)),$(PYTHON))

# Without compiled modules, every process of the tests would compile all that it imports, for twice the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo check lint fast test fuzz fuzz-reach full-disks fuzz-relay test-image airflow engines conformance oldest newest lock-oldest peers cwl clean

# Many tests wait for servers, programs and clocks.
WORKERS = $$(($$(getconf _NPROCESSORS_ONLN) + 1))

TRUTH := demo-output/phantom
SOURCES = $(wildcard $(shell git ls-files 'src/*.py'))
# Servers and programs that tests start, as packages of Debian; tests of what is missing skip, or fail under CI.
PEERS := busybox-static chromium mariadb-server munge nginx-light nodejs podman postgresql runc slurm-wlm

demo: .venv/em $(TRUTH)/connectome.parquet
	$(BIN)/voxome run pipelines/em/connectome.cwl --set raw=$(TRUTH)/raw.zarr --out demo-output \
	  --block 80,80,80 --workers 2 --truth $(TRUTH)
	$(BIN)/voxome score segmentation --truth $(TRUTH)/labels.zarr --result demo-output/neurons.zarr
	$(BIN)/voxome score graph --truth $(TRUTH)/connectome.parquet --result demo-output/connectome.parquet \
	  --truth-labels $(TRUTH)/labels.zarr --result-labels demo-output/neurons.zarr
	@echo "Look at demo-output/report.html"

$(TRUTH)/connectome.parquet: | .venv/em
	$(BIN)/voxome phantom $(TRUTH) --shape 160,160,160 --seed 1

check: .venv/dev
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint fast

lint: .venv/docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the others were checked before: each file takes 6 ms
.venv/docstrings: .venv/dev $(SOURCES)
	$(BIN)/numpydoc lint $(if $(filter .venv/dev,$?),$(SOURCES),$?)
	touch $@

fast: .venv/dev
	HYPOTHESIS_PROFILE=fast $(BIN)/pytest --quiet --numprocesses $(WORKERS) --dist loadscope -m "not slow"

test: .venv/train .venv/intern/ready .venv/fuzz/ready lint peers
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

# 100,000 damaged inputs for everything that reads what others wrote, in an hour or two; make fuzz INPUTS=1000000
INPUTS := 100000
fuzz: .venv/em
	cd tests && ../$(BIN)/python -m fuzz.run --inputs $(INPUTS)

# minutes of CPU time; make full-disks TRIES=1000
TRIES := 200
full-disks: .venv/em
	cd tests && ../$(BIN)/python -m full_disks.run --tries $(TRIES)

# share of branches that damaged inputs reach, and of those that keep their headers; figures in SECURITY.md
fuzz-reach: .venv/em .venv/reach/ready
	cd tests && PYTHONPATH=../.venv/reach ../$(BIN)/python -m fuzz.reach --inputs 1000

# the image of deploy/relay: the build takes minutes, and packages from an index, which its container must reach
test-image: .venv/dev
	VOXOME_TEST_IMAGE=1 $(BIN)/pytest --numprocesses 0 tests/deploy

# minutes: Airflow starts a process for every task
airflow: .venv/dev .venv/airflow/ready
	VOXOME_TEST_AIRFLOW=1 $(BIN)/pytest --numprocesses 0 tests/workflow/airflow/test_real.py

# most of an hour: all steps, on each engine; make engines ONLY='slurm toil' for some of them
engines: .venv/dev .venv/airflow/ready .venv/toil/ready
	PYTHONPATH=tests $(BIN)/python -m workflow.same_results $(if $(ONLY),--only $(ONLY))

# hostile requests on every dialect of a relay
fuzz-relay: .venv/dev .venv/fuzz/ready
	PYTHONPATH=tests $(BIN)/python -m relay.fuzz.run --requests 100000
	PYTHONPATH=tests $(BIN)/python -m relay.fuzz.described --examples 500

CONFORMANCE := $(or $(VOXOME_SHARED),../shared)/conformance
conformance: .venv/em
	for version in v1.1 v1.2; do \
	  PYTHONPATH=tests $(BIN)/python -m workflow.conformance $(CONFORMANCE)/cwl-$$version.tar.xz $(CACHE) || exit; done

oldest: .venv/oldest/ready
	HYPOTHESIS_PROFILE=fast .venv/oldest/bin/python -m pytest --quiet --numprocesses 2 --dist loadscope -m "not slow"

newest: .venv/newest/bin/python
	$< -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[dev]'
	HYPOTHESIS_PROFILE=fast $< -m pytest --quiet --numprocesses 2 --dist loadscope -m "not slow"

# needs uv; what the other lower bounds ran with is as old as they are
lock-oldest:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --resolution lowest-direct --exclude-newer 2025-06-01 \
	  --exclude-newer-package click=2025-10-01 $(foreach one,cloud-files cloud-volume cwl-utils cwltool dracopy fastremap hypothesis moto neuroglancer numcodecs pygments rich-argparse schema-salad tensorstore typer uvicorn waterz witty zarr zmesh,--exclude-newer-package $(one)=2026-11-01) \
	  --no-annotate --no-header --quiet --output-file constraints-oldest.txt

peers:
	@dpkg-query --show $(PEERS) > /dev/null 2>&1 || test "$$(id -u)" != 0 || ! command -v apt-get > /dev/null || \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $(PEERS); } > /dev/null

cwl: .venv/dev
	rm -f pipelines/tools/*.cwl
	$(BIN)/voxome describe voxome --out pipelines/tools

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "voxome needs Python 3.11 or newer; give one with make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/em: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[em]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ .venv/em

.venv/train: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev,train]'
	touch $@ .venv/dev .venv/em

.venv/oldest/ready: pyproject.toml constraints-oldest.txt
	$(OLDEST_PYTHON) -m venv .venv/oldest
	.venv/oldest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --requirement constraints-oldest.txt --editable .
	touch $@

.venv/newest/bin/python:
	$(NEWEST_PYTHON) -m venv .venv/newest

.venv/intern/ready: constraints-intern.txt | .venv/bin/python
	$(PYTHON) -m venv .venv/intern
	.venv/intern/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-intern.txt
	touch $@

.venv/airflow/ready: constraints-airflow.txt | .venv/bin/python
	$(PYTHON) -m venv .venv/airflow
	.venv/airflow/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-airflow.txt
	touch $@

.venv/toil/ready: constraints-toil.txt | .venv/bin/python
	$(PYTHON) -m venv .venv/toil
	.venv/toil/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-toil.txt
	touch $@

.venv/reach/ready: | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/reach coverage==7.10.7
	touch $@

.venv/fuzz/ready: constraints-fuzz.txt | .venv/bin/python
	$(PYTHON) -m venv .venv/fuzz
	.venv/fuzz/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-fuzz.txt
	touch $@

clean:
	rm -rf .venv demo-output
