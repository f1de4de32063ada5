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

# About an hour and a half on two cores; each prints its table and puts it into the docs.
BENCH := part_pooling layers training_step extraction evaluator "evaluator --dims 5120" search \
	photo_to_fix render service many_photos
bench: $(STAMP)
	$(BIN)/python -m pip install --quiet faiss-cpu==1.15.1
	for each in $(BENCH); do set -- $$each; name=$$1; shift; \
		$(BIN)/python benchmarks/$$name.py "$$@" --write docs/speed.md || exit 1; done
	$(BIN)/python benchmarks/step_profile.py --write docs/performance.md
	$(BIN)/python benchmarks/scale_model.py --write docs/scale.md

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "skyfix needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-compile --no-deps --no-build-isolation --editable .
	touch $(STAMP)

clean:
	rm -rf .venv build demo site
