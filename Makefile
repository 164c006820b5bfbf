# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/model
BUNDLE ?= bundles/$(notdir $(RUN))

.PHONY: help setup run test lint train export verify prove-sigmoid parity-matrix docs score wheel \
	examples bench bench-train bench-compare clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/ready ## make .venv with everything that training, exporting and testing need

$(VENV)/ready: GROUP := dev
.bench/ready: GROUP := bench

$(VENV)/ready .bench/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; say which with PYTHON=…" >&2; exit 1; }
	@echo "setting up $(@D): some minutes, again only when pyproject.toml or constraints.txt change"
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(@D)/bin/python -m pip install --quiet --constraint constraints.txt --group $(GROUP)
	$(@D)/bin/python -m pip install --quiet --constraint constraints.txt --no-deps --editable .
	touch $@

run: setup ## train, export, prove and score on real data that needs no download
	$(BIN)/python -m train --out runs/breast-cancer --force
	$(BIN)/python -m export bundle runs/breast-cancer bundles/breast-cancer --force
	$(BIN)/python -m export verify bundles/breast-cancer
	$(BIN)/serve-runtime selftest bundles/breast-cancer
	$(BIN)/python examples/breast_cancer_csv.py runs/patients.csv
	$(BIN)/serve-runtime score bundles/breast-cancer runs/patients.csv -o runs/scores.csv --keep id
	@echo; echo "runs/scores.csv begins"; head -n 4 runs/scores.csv

test: setup lint ## lint, types, all tests
	$(BIN)/python -m pytest --numprocesses 2

lint: setup ## lint, format and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

train: setup ## DATA= TARGET= [RECIPE=] [RUN=]: fit a model, leave a run folder
	$(BIN)/python -m train $(if $(DATA),"$(DATA)") $(if $(TARGET),--target "$(TARGET)") \
		$(if $(RECIPE),--recipe "$(RECIPE)") --out "$(RUN)" $(ARGS)

export: setup ## RUN= [BUNDLE=]: export a run, proven, into a bundle
	$(BIN)/python -m export bundle "$(RUN)" "$(BUNDLE)" $(ARGS)

verify: setup ## BUNDLE=: prove a bundle again from its files
	$(BIN)/python -m export verify "$(BUNDLE)" $(ARGS)

prove-sigmoid: setup ## run all 2³² float32 logits through the sigmoid of the exported graph (minutes)
	$(BIN)/python -m export sigmoid $(ARGS)

parity-matrix: setup ## [RUNTIMES=] [TORCH=]: prove bundles on onnxruntime old and new, each in its own environment
	$(BIN)/python -m train --recipe recipes/breast-cancer.toml --out runs/matrix/breast-cancer --force
	$(BIN)/python -m train --recipe recipes/calendar-years.toml --out runs/matrix/calendar-years --force
	for name in breast-cancer calendar-years; do \
		$(BIN)/python -m export bundle runs/matrix/$$name bundles/matrix/$$name --force; done
	$(BIN)/python -m export runtimes bundles/matrix/breast-cancer bundles/matrix/calendar-years \
		$(foreach minor,$(RUNTIMES),--only $(minor)) $(foreach python,$(TORCH),--torch $(python))

docs: setup ## [TORCH=]: make every figure of docs/parity.md again (about 10 minutes)
	$(BIN)/python -m docs.figures $(foreach python,$(TORCH),--torch $(python)) $(ARGS)

score: setup ## BUNDLE= INPUT= OUTPUT=: score a CSV or Parquet file
	$(BIN)/serve-runtime score "$(BUNDLE)" $(if $(INPUT),"$(INPUT)") $(if $(OUTPUT),--output "$(OUTPUT)") $(ARGS)

bench: .bench/ready ## [ARGS=]: time it beside others and the machine's limits (about 12 minutes; ARGS=--quick: 1)
	.bench/bin/python -m benchmarks $(ARGS)

bench-train: .bench/ready ## [ARGS=]: time training beside others and the machine's limits (minutes)
	.bench/bin/python -m benchmarks.training $(ARGS)

bench-compare: .bench/ready ## OTHER=: time this checkout beside another one, and say what is slower
	.bench/bin/python -m benchmarks.harness.compare "$(OTHER)" $(ARGS)

wheel: ## build the runtime's wheel into dist/; needs Python alone
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

examples: setup ## run every example
	$(BIN)/python -m pytest tests/pipeline/examples

clean: ## remove what the other targets made
	rm -rf $(VENV) .bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .matrix runs bundles
