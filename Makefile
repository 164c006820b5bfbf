# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/model
BUNDLE ?= bundles/$(notdir $(RUN))

.PHONY: help run train export verify score report examples setup test lint wheel clean \
	prove-sigmoid parity-matrix parity-machines docs pictures bench bench-train bench-compare fuzz

##@ Using it:
run: setup ## train, export, prove, score, report: on real data, no download
	$(BIN)/python -m train --out runs/breast-cancer --force
	$(BIN)/python -m export bundle runs/breast-cancer bundles/breast-cancer --force
	$(BIN)/python -m export verify bundles/breast-cancer
	$(BIN)/serve-runtime selftest bundles/breast-cancer
	$(BIN)/python examples/breast_cancer_csv.py runs/patients.csv
	$(BIN)/serve-runtime score bundles/breast-cancer runs/patients.csv -o runs/scores.csv --keep id
	$(BIN)/python -m report runs/breast-cancer bundles/breast-cancer -o reports/breast-cancer.html
	@echo; head -n 4 runs/scores.csv
	@$(BIN)/python -c 'import json, os; \
		metrics = json.load(open("runs/breast-cancer/metrics.json"))["metrics"]; \
		print(os.environ["RUN_SUMMARY"].format(**metrics["holdout"]))'

define RUN_SUMMARY

Done: a model that tells malignant from benign tumours. Of {rows:.0f} patients that it
was not trained on, it gets {accuracy:.1%} right (AUC {auc:.3f}).
  runs/breast-cancer      the trained model and its metrics
  bundles/breast-cancer   what you deploy: the model files and their proof
  runs/scores.csv         a probability and a label for each patient
  reports/breast-cancer.html
                          all of it as one page: open it in a browser

Next:
  your own table   make train DATA=table.csv TARGET=column RUN=runs/mine
                   make export RUN=runs/mine     (leaves bundles/mine)
                   make report RUN=runs/mine     (leaves reports/mine.html)
  in your program  .venv/bin/python examples/plain_script.py bundles/breast-cancer
  behind HTTP      .venv/bin/python examples/wsgi.py bundles/breast-cancer 8000
  other targets    make help
endef
export RUN_SUMMARY

train: setup ## DATA= TARGET= [RECIPE=] [RUN=]: fit a model, leave a run folder
	$(BIN)/python -m train $(if $(DATA),"$(DATA)") $(if $(TARGET),--target "$(TARGET)") \
		$(if $(RECIPE),--recipe "$(RECIPE)") --out "$(RUN)" $(ARGS)

export: setup ## RUN= [BUNDLE=]: export a run, proven, into a bundle
	$(BIN)/python -m export bundle "$(RUN)" "$(BUNDLE)" $(ARGS)

verify: setup ## BUNDLE=: prove a bundle again from its files
	$(BIN)/python -m export verify "$(BUNDLE)" $(ARGS)

score: setup ## BUNDLE= INPUT= OUTPUT=: score a CSV or Parquet file
	$(BIN)/serve-runtime score "$(BUNDLE)" $(if $(INPUT),"$(INPUT)") $(if $(OUTPUT),--output "$(OUTPUT)") $(ARGS)

report: setup ## RUN= [BUNDLE=] [OUT=]: write a page about a run and its bundle
	$(BIN)/python -m report "$(RUN)" $(if $(filter command,$(origin BUNDLE))$(wildcard $(BUNDLE)/MANIFEST.json),"$(BUNDLE)") \
		-o "$(or $(OUT),reports/$(notdir $(RUN)).html)" $(ARGS)

examples: setup ## run every example
	$(BIN)/python -m pytest tests/pipeline/examples

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print (found++ ? "\n" : "") substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## make .venv with all that training, exporting, testing need

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

##@ Changing it:
# tests/light runs once, by tests/packaging: in an environment that has the wheel, and no torch. Its
# fuzzing needs not. A file's tests stay in one process, which makes what they share once.
test: setup lint ## lint, types, all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		tests/packaging tests/light/test_fuzz.py tests/pipeline

FUZZ ?= 20
fuzz: setup ## [FUZZ=20] [FUZZ_SEED=]: damage files by the million
	FUZZ=$(FUZZ) FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) \
		$(BIN)/python -m pytest --numprocesses 2 tests/light/test_fuzz.py tests/pipeline/test_fuzz.py

lint: setup ## lint, format and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: ## build the runtime's wheel into dist/; needs Python alone
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what the other targets made
	rm -rf $(VENV) .bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .matrix .machines runs bundles reports

##@ Maintaining its figures:
prove-sigmoid: setup ## try the exported sigmoid on all 2³² float32 logits (minutes)
	$(BIN)/python -m export sigmoid $(ARGS)

parity-matrix: setup ## [RUNTIMES=] [TORCH=]: prove on old and new onnxruntimes
	$(BIN)/python -m train --recipe recipes/breast-cancer.toml --out runs/matrix/breast-cancer --force
	$(BIN)/python -m train --recipe recipes/calendar-years.toml --out runs/matrix/calendar-years --force
	rm -rf runs/matrix/mixed
	$(BIN)/python -m benchmarks.harness.random_run runs/matrix/mixed
	for name in breast-cancer calendar-years mixed; do \
		$(BIN)/python -m export bundle runs/matrix/$$name bundles/matrix/$$name --force; done
	$(BIN)/python -m export runtimes $(addprefix bundles/matrix/,breast-cancer calendar-years mixed) \
		$(foreach minor,$(RUNTIMES),--only $(minor)) $(foreach python,$(TORCH),--torch $(python))

parity-machines: setup ## [QEMU=] [EVERY=1]: prove on emulated processors (40 minutes)
	$(BIN)/python -m docs.machines $(if $(QEMU),--qemu "$(QEMU)") $(if $(EVERY),--every) $(ARGS)

docs: setup ## [TORCH=]: make the figures of docs/parity.md (10 minutes)
	$(BIN)/python -m docs.figures $(foreach python,$(TORCH),--torch $(python)) $(ARGS)

pictures: setup ## draw the published experiments (half a minute)
	$(BIN)/python -m docs.pictures $(ARGS)

bench: .bench/ready ## [ARGS=--quick]: time serving beside others (1 or 12 minutes)
	.bench/bin/python -m benchmarks $(ARGS)

bench-train: .bench/ready ## [ARGS=--quick]: time training beside others (minutes)
	.bench/bin/python -m benchmarks.training $(ARGS)

bench-compare: .bench/ready ## OTHER=: time this checkout beside another one (30 minutes)
	.bench/bin/python -m benchmarks.harness.compare "$(OTHER)" $(ARGS)
