# Every target does its own set-up and can be run again; none needs root where the system has what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
endif

.PHONY: demo app test check browser docs coverage clean

demo: $(VENV)/.installed
	$(BIN)/workbench upscale samples/forest-320x180.mp4 --frames 0:24 -o outputs/forest_x4.mp4 --overwrite

app: $(VENV)/.installed
	$(BIN)/python demo_app.py

# One thread a process: two processes on two cores with two threads each wait for each other at every layer.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.installed-test browser
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# The site lies in build/site; `make docs QUICK=--quick` leaves the notebooks without outputs.
docs: $(VENV)/.installed-docs
	$(BIN)/python docs/site/build.py $(QUICK)

coverage: export OMP_NUM_THREADS = 1
coverage: $(VENV)/.installed-test browser
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term --cov-report=html:build/coverage

# The pages are tested in a real Chromium: the system's, or the one Playwright fetches for this user.
browser: $(VENV)/.installed-test
	@$(BIN)/python tests/browser.py

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@

$(VENV)/.installed-docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
