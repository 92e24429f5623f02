# make demo   the four steps on a trained Caffe LeNet, ending with one table
# make demo-darknet   the same on a Darknet detector
# make demo-tensorflow   the same on a TensorFlow graph and a Keras network
# make test   the whole test suite; tests of frameworks that are missing skip with a reason
# make test-avx2   the tests of trainers as on a processor that ends at AVX2
# make check  ruff, mypy --strict, import-linter
# make docs   the site in build/site, opened from there; notebooks run, a broken link fails
# make notebooks   the notebooks of docs/notebooks, run, in build/notebooks
# make build  wheels and source distributions in dist/, checked
# make wheels  build them, install three of them alone outside the tree, and prune with them

PYTHON ?= $(firstword $(shell command -v python3.11 python3 python))
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
TENSORFLOW ?= tensorflow-cpu==2.21.*
DISTRIBUTIONS := core plugins/caffe plugins/darknet plugins/engines plugins/torch plugins/tensorflow
SOURCES := $(addsuffix /src,$(DISTRIBUTIONS))
PYPROJECTS := $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))

.PHONY: demo demo-darknet demo-tensorflow test test-avx2 check fix docs notebooks build wheels clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# the trainer and the formats that need no framework
$(VENV)/installed: $(BIN)/python $(PYPROJECTS)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -e core -e plugins/caffe -e plugins/darknet -e plugins/engines -e plugins/torch mlxtend
	touch $@

# TensorFlow itself is left out here: its tests skip unless it is installed
$(VENV)/testing: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e 'core[testing]' h5py 'plyvel; python_version < "3.13"' ruff mypy import-linter
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e plugins/tensorflow -e tests/sample_plugin -e examples/toy_format -e examples/methods -e examples/plugins/prunus-ncnn
	touch $@

$(VENV)/tensorflow: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check '$(TENSORFLOW)' -e plugins/tensorflow
	touch $@

demo: $(VENV)/installed
	PYTHONPATH=examples $(BIN)/python examples/lenet/demo.py

demo-darknet: $(VENV)/installed
	PYTHONPATH=examples $(BIN)/python examples/darknet-digits/demo.py

demo-tensorflow: $(VENV)/tensorflow
	PYTHONPATH=examples $(BIN)/python examples/tensorflow-mnist/demo.py

# two processes, each a file at a time: what a module prepares is prepared once; a process that a
# test ends is not started again: pytest-xdist then waits for ever for the tests it held
test: $(VENV)/testing
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --max-worker-restart 0

# oneDNN, of torch and of TensorFlow, has other kernels there
TRAINER_TESTS := core/tests/testing/test_conformance_of_trainers.py core/tests/steps/test_finetune.py \
	core/tests/training plugins/torch/tests plugins/tensorflow/tests/training \
	plugins/tensorflow/tests/keras_model/test_keras_training.py

test-avx2: $(VENV)/testing
	DNNL_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -q -n 2 --dist loadfile --max-worker-restart 0 $(TRAINER_TESTS)

check: $(VENV)/testing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

fix: $(VENV)/testing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/docs: $(VENV)/tensorflow docs/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

# -W: warnings are errors, so are links to pages, headings and files that do not exist
docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -W --keep-going -c docs . build/site
	@echo "site: build/site/index.html"

notebooks: $(VENV)/docs
	mkdir -p build/notebooks
	cp docs/notebooks/*.ipynb build/notebooks
	$(BIN)/jupyter nbconvert --execute --to notebook --inplace build/notebooks/*.ipynb

build: $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check build twine
	rm -rf dist
	for distribution in $(DISTRIBUTIONS); do $(BIN)/python -m build --quiet --outdir dist $$distribution || exit 1; done
	$(BIN)/twine check --strict dist/*

wheels: build
	$(BIN)/python .ci/wheels.py

clean:
	rm -rf $(VENV)
