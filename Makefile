# Set-up happens on first use: a virtual environment with the exact versions of requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo demo-train test test-fast lint docs pictures bench clean

demo: $(STAMP)
	$(BIN)/skyfix demo --out demo

demo-train: $(STAMP)
	$(BIN)/skyfix demo --train --out demo/train

test: $(STAMP)
	$(BIN)/python -m pytest

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A link that leads nowhere is an error. The site opens without a server: site/index.html.
docs: $(STAMP)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -c docs/site -d build/doctrees . site

pictures: $(STAMP)
	$(BIN)/python benchmarks/pictures.py

bench: $(STAMP)
	$(BIN)/python benchmarks/part_pooling.py
	$(BIN)/python benchmarks/layers.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/evaluator.py
	$(BIN)/python benchmarks/evaluator.py --dims 5120

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "skyfix needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-compile --no-deps --no-build-isolation --editable .
	touch $(STAMP)

clean:
	rm -rf .venv build demo site
