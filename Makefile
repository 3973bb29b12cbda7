# Two commands for a newcomer: `make demo` and `make test`. Each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch is named exactly, so that every machine gets the build that was tested
TORCH ?= torch==2.13.0

# torch's idle threads would spin, and starve the other processes of a test
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo test check unit nemesis models emulator tensorrt line fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   the whole story on generated cloth (about five minutes), result in ./demo"
	@echo "make test   style, types, import contracts, unit tests, trainings and engines, emulated cameras, TensorRT dry run, whole lines"
	@echo "make fuzz   ten minutes of broken pictures, settings, messages, answers and files; MINUTES=60 for longer"
	@echo "make nemesis  two thousand seeded fault schedules against the line in one process; SCHEDULES=20000 for more"
	@echo "make clean  remove the environment"

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "glassline: Python 3.11 or newer is needed, $(PYTHON), install it or run make PYTHON=python3.12"; exit 3; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libGL.so.1"); ctypes.CDLL("libglib-2.0.so.0")' 2>/dev/null || \
		{ echo "glassline: libGL or glib is missing, this machine, run: sudo apt-get install libgl1 libglib2.0-0"; exit 3; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "glassline: Python's venv module is missing, $(PYTHON), run: sudo apt-get install python3-venv"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/glassline demo --out demo --replace

test: check unit models emulator tensorrt line

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.ready
	$(BIN)/pytest -n 2 tests/unit tests/fuzz tests/nemesis

# Whole trainings, bundles and engines: slower than a unit test may be.
models: $(VENV)/.ready
	$(BIN)/pytest tests/models

# In a process of its own, as a grabber is: pylon's runtime does not bear the inference libraries beside it.
emulator: $(VENV)/.ready
	$(BIN)/pytest tests/emulator

# Beside the environment, not in it: without TensorRT itself the package cannot be imported; the test has a stand-in.
$(VENV)/torch-tensorrt: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $@ torch-tensorrt==2.13.0 dllist || \
		{ rm -rf $@; echo "glassline: torch-tensorrt cannot be had here, its test is skipped"; }

tensorrt: $(VENV)/torch-tensorrt
	$(BIN)/pytest tests/tensorrt

line: $(VENV)/.ready
	$(BIN)/pytest tests/line

# What comes from outside, broken by chance; a short run of it is part of the unit tests.
MINUTES ?= 10
fuzz: $(VENV)/.ready
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

# Whatever fails, the promise holds: a short run of it is part of the unit tests.
SCHEDULES ?= 2000
nemesis: $(VENV)/.ready
	$(BIN)/python -m tests.nemesis --count $(SCHEDULES)

clean:
	rm -rf $(VENV)
