# The door of siglip.cpp: `make demo` and `make test` are all the set-up. CMake does the work behind it.
#
#   make test CXX=g++          with another compiler (the build folder is configured anew)
#   make demo DEMO_FLAGS="…"   any flag of `siglip train`
ifeq ($(origin CXX),default)
CXX := clang++
endif
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
PYTHON ?= python3
SIGLIP_CUDA ?= AUTO

DEMO_FLAGS ?=
SHAPES_FLAGS ?=

.PHONY: help deps configure build demo demo-shapes test test-cuda gpu-report gpu-bundle goldens reference-python test-reference test-full bench \
  bench-reference lint install
.DEFAULT_GOAL := help

help: ## this list
	@echo "siglip.cpp: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

deps: ## install the packages that are missing (apt; elsewhere: say which)
	@CXX="$(CXX)" sh tools/deps.sh

# A build folder belongs to one compiler; another one starts from nothing.
configure: deps
	@if [ ! -f $(BUILD)/cmake_install.cmake ] || \
	    [ "$$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' $(BUILD)/CMakeCache.txt)" != "$$(command -v $(firstword $(CXX)))" ]; then \
	  CXX="$(CXX)" cmake --fresh -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DSIGLIP_CUDA=$(SIGLIP_CUDA); \
	fi

build: configure ## the program, build/siglip
	@cmake --build $(BUILD) --parallel $(JOBS) --target siglip_program

demo: build ## train on 3,655 emoji and write a report
	@[ -d data/emoji ] || $(BUILD)/siglip data emoji --out data/emoji
	@$(BUILD)/siglip train --config data/demo.json --data data/emoji --name demo $(DEMO_FLAGS)

demo-shapes: build ## train on drawn scenes of coloured shapes
	@[ -d data/shapes ] || $(BUILD)/siglip data shapes --out data/shapes
	@$(BUILD)/siglip train --config data/demo-shapes.json --data data/shapes --name demo-shapes $(SHAPES_FLAGS)

test: configure ## build everything and run all tests
	@cmake --build $(BUILD) --parallel $(JOBS)
	@OMP_WAIT_POLICY=passive ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

test-cuda: deps ## build with the CUDA backend; both backends compared and the unit tests, where there is a device
	@CXX="$(CXX)" cmake --preset cuda
	@cmake --build build-cuda --parallel $(JOBS) --target siglip_program --target siglip_tests
	@build-cuda/siglip parity-devices --goldens data/goldens
	@OMP_WAIT_POLICY=passive ctest --test-dir build-cuda --output-on-failure -R '^unit$$'

gpu-report: ## on a machine with a GPU: build, compare, sanitize, measure, train; results in data/gpu
	@CXX="$(CXX)" sh tools/gpu_report.sh

gpu-bundle: ## sources and third-party headers in one archive, for gpu-report on a machine without network
	@sh tools/gpu_bundle.sh

# PyTorch and transformers in a virtual environment of their own; REFERENCE_PYTHON=… takes one that is there.
REFERENCE_PYTHON ?= .venv-reference/bin/python
reference-python:
	@[ "$(REFERENCE_PYTHON)" != .venv-reference/bin/python ] || { \
	  [ -x .venv-reference/bin/python ] || $(PYTHON) -m venv .venv-reference; \
	  cmp -s tools/reference/requirements.txt .venv-reference/made-with || { \
	    .venv-reference/bin/python -m pip install --quiet -r tools/reference/requirements.txt && \
	    cp tools/reference/requirements.txt .venv-reference/made-with; }; }

goldens: reference-python ## make data/goldens again: what PyTorch and transformers compute
	@OMP_NUM_THREADS=1 $(REFERENCE_PYTHON) tools/reference/make_goldens.py --out data/goldens

test-reference: build reference-python ## what we train, loaded into transformers: the same ids, pixels, embeddings, logits
	@$(REFERENCE_PYTHON) tools/reference/check_export.py --siglip $(BUILD)/siglip
	@[ ! -d runs/train/demo ] || $(REFERENCE_PYTHON) tools/reference/check_export.py --siglip $(BUILD)/siglip runs/train/demo

test-full: build reference-python ## published sizes with random weights, beside transformers (8 GB of memory, 4 GB of disk for a while)
	@$(REFERENCE_PYTHON) tools/reference/full_size.py --siglip $(BUILD)/siglip

bench: build ## speed and memory of the loss, of a training step and of the towers, as JSON
	@$(BUILD)/siglip bench loss --batch 8192,16384 --json
	@$(BUILD)/siglip bench loss --batch 32768 --dim 64 --json
	@$(BUILD)/siglip bench step --json
	@$(BUILD)/siglip bench tower --json

bench-reference: build ## the same beside PyTorch and ONNX Runtime, pictures beside Pillow, texts beside tokenizers, in a virtual environment
	@[ -x .venv-bench/bin/python ] || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -c "import torch, numpy, transformers, onnx, onnxruntime, onnxscript, PIL, tokenizers, sentencepiece" 2>/dev/null || \
	  .venv-bench/bin/python -m pip install --quiet torch numpy transformers onnx onnxruntime onnxscript pillow tokenizers sentencepiece
	@.venv-bench/bin/python tools/reference/bench_pytorch.py --siglip $(BUILD)/siglip
	@.venv-bench/bin/python tools/reference/bench_pixels.py --siglip $(BUILD)/siglip
	@.venv-bench/bin/python tools/reference/bench_tokenizers.py --siglip $(BUILD)/siglip

lint: deps ## formatting, who includes whom, every op in the table
	@sh tools/lint.sh

install: deps ## library and program under PREFIX (/usr/local), for any processor of this kind
	@CXX="$(CXX)" cmake -S . -B $(BUILD)-install -DCMAKE_BUILD_TYPE=Release -DSIGLIP_NATIVE=OFF -DSIGLIP_TESTS=OFF
	@cmake --build $(BUILD)-install --parallel $(JOBS)
	@cmake --install $(BUILD)-install --prefix $(PREFIX)
