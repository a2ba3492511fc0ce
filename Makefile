# Two commands are all a newcomer needs: `make eval` and `make test`.
# Each creates .venv on first use and installs what it needs.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Do the published figures still hold? About a minute.
reproduce: $(VENV)/.eval
	$(BIN)/memeval reproduce --short --out runs

# The README's results: every memory over every task whose data is under DATA, peers included. Hours on two cores; the
# same command goes on with a run that was interrupted. The tables: memeval report runs/results-*.jsonl --summary
results: $(VENV)/.eval
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[vectors,anchors,evals,peers]'
	$(BIN)/memeval run --suite results --data $(DATA) --out runs

.PHONY: eval reproduce results test soak lint types tagger clean

eval: $(VENV)/.eval
	$(BIN)/memeval run --suite first-light --data data --out runs

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

# The proofs of the ledger in their long form: 10,000 steps beside a naive memory, 600 kills, 16 processes × 1,000
# operations, 1,000 cases of forgetting. About an hour on two cores; -s shows the figures.
soak: $(VENV)/.dev
	$(BIN)/python -m pytest -s --long tests/test_ledger_*.py tests/test_index_chroma.py

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

# Train the modality tagger again: DATA holds the evaluation data, ENCODER the published all-MiniLM-L6-v2.
tagger:
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train]'
	$(BIN)/python -m memstore.capture.tagger.train --data $(DATA) --encoder $(ENCODER)

clean:
	rm -rf $(VENV) runs build dist *.egg-info

# A stamp file per set of extras: pip runs again only when pyproject.toml changes.
$(VENV)/.eval: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[vectors,anchors,evals]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	touch $@ $(VENV)/.eval
