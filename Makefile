# Every target sets up what it needs. PYTHON=python3.12 make test picks a Python.
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/
KERNEL = runtime/gru2np_runtime/kernels/c/source/libgru2np.so
PAGES = README.md docs/*.md docs/reference/*.md fixtures/README.md

.PHONY: demo test proof lint types matrix docs fixtures measure kernel bench dist clean

demo: .venv-demo/ready
	.venv-demo/bin/python examples/demo/demo.py

test: $(VENV)/ready $(KERNEL)
	$(RUN)python -m pytest -q -n 2 --dist worksteal

# Hours; started again, it goes on. PROOF='--minutes 10' does a part of everything.
proof: $(VENV)/ready $(KERNEL)
	$(RUN)python -m proof $(PROOF)

lint: $(VENV)/ready
	$(RUN)ruff check . && $(RUN)ruff format --check .
	$(RUN)cog --check --diff -I docs $(PAGES)

types: $(VENV)/ready
	$(RUN)mypy

matrix: $(VENV)/ready
	$(RUN)python tests/support/matrix.py

docs: $(VENV)/ready
	$(RUN)cog -r -I docs $(PAGES)

fixtures:
	fixtures/make/make.sh $(GENERATION)

# RELEASES='keras-1 tf.keras==2.4.4' measures some again; without it, all that is missing.
measure: $(VENV)/ready
	$(PYTHON) fixtures/measure/run.py $(RELEASES)
	$(PYTHON) fixtures/measure/operations.py
	$(RUN)python fixtures/measure/keras3_files.py

kernel: $(VENV)/ready
	$(RUN)python -m gru2np_runtime.build

# The install makes it; this makes it again when the source changes.
$(KERNEL): $(wildcard $(dir $(KERNEL))*.[ch]) | $(VENV)/ready
	-$(RUN)python -m gru2np_runtime.build

# BENCH=--quick takes a few minutes.
bench: .venv-bench/ready
	-cd runtime && ../.venv-bench/bin/python -m gru2np_runtime.build
	.venv-bench/bin/python benchmarks/run.py $(BENCH)

dist: $(VENV)/ready
	$(RUN)python -m build && $(RUN)python -m build runtime --outdir dist

clean:
	rm -rf $(VENV) .venv-demo .venv-bench build dist .mypy_cache .pytest_cache .ruff_cache

$(VENV)/ready: pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)pip install -q -e ./runtime -e '.[test,lint]' && touch $@

.venv-demo/ready: pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install -q ./runtime . && touch $@

.venv-bench/ready: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python benchmarks/install.py && touch $@
