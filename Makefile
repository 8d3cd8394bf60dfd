# The door of siglip.cpp: `make demo` and `make test` are all the set-up. CMake does the work behind it.
#
#   make test CXX=g++          with another compiler (the build folder is configured anew)
#   make demo DEMO_FLAGS="…"   any flag of `siglip train`
#   make test CMAKE_FLAGS="…"  any option of CMakeLists.txt
ifeq ($(origin CXX),default)
CXX := clang++
endif
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
PYTHON ?= python3
CMAKE_FLAGS ?=
# CMake builds the CUDA backend wherever nvcc is. That takes nvcc two to four minutes, so the door asks for it where there is a device to run it on;
# `make build SIGLIP_CUDA=ON` asks for it anywhere.
cuda_wanted := $(SIGLIP_CUDA)
SIGLIP_CUDA ?= $(if $(wildcard /dev/nvidiactl),AUTO,OFF)

DEMO_FLAGS ?=
SHAPES_FLAGS ?=

.PHONY: help deps configure build demo demo-shapes test test-fresh fuzz test-cuda gpu-report gpu-bundle goldens reference-python \
  reference-python-older test-reference test-tokenizers test-full bench bench-reference lint install
.DEFAULT_GOAL := help

help: ## this list
	@echo "siglip.cpp: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

deps: ## install the packages that are missing (apt; elsewhere: say which)
	@CXX="$(CXX)" sh tools/deps.sh $(MAKECMDGOALS)

# A build folder belongs to one compiler; another one starts from nothing.
configure: deps
	@if [ ! -f $(BUILD)/cmake_install.cmake ] || \
	    [ "$$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' $(BUILD)/CMakeCache.txt)" != "$$(command -v $(firstword $(CXX)))" ]; then \
	  CXX="$(CXX)" cmake --fresh -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release $(CMAKE_FLAGS) -DSIGLIP_CUDA=$(SIGLIP_CUDA); \
	elif [ -n "$(cuda_wanted)" ] && ! grep -q '^SIGLIP_CUDA:STRING=$(cuda_wanted)$$' $(BUILD)/CMakeCache.txt; then \
	  cmake -S . -B $(BUILD) -DSIGLIP_CUDA=$(cuda_wanted); \
	fi

build: configure ## the program, build/siglip
	@cmake --build $(BUILD) --parallel $(JOBS) --target siglip_program

demo: build ## train on 3,655 emoji and write a report
	@[ -d data/emoji ] || $(BUILD)/siglip data emoji --out data/emoji
	@$(BUILD)/siglip train --config data/demo.json --data data/emoji --name demo $(DEMO_FLAGS)

demo-shapes: build ## train on drawn scenes of coloured shapes
	@[ -d data/shapes ] || $(BUILD)/siglip data shapes --out data/shapes
	@$(BUILD)/siglip train --config data/demo-shapes.json --data data/shapes --name demo-shapes $(SHAPES_FLAGS)

# Packages may have come since the folder was configured, and with them tests: CMake looks again.
test: configure ## build everything and run all tests
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) > $(BUILD)/configured.log || { cat $(BUILD)/configured.log; exit 1; }
	@cmake --build $(BUILD) --parallel $(JOBS)
	@OMP_WAIT_POLICY=passive ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

SUITE ?= bookworm
test-fresh: ## the README's two commands on a bare Debian, as root and as a user (SUITE=trixie: Debian 13; needs root and mmdebstrap)
	@sh tools/fresh_machine.sh $(SUITE)

SECONDS ?= 60
READER ?=
fuzz: deps ## fuzz each reader of files for SECONDS=60 under sanitizers (READER=picture: that one); what is found lies in runs/fuzz
	@CXX=clang++ cmake --preset asan
	@cmake --build build-asan --parallel $(JOBS) --target siglip_fuzz
	@sh tests/fuzz/run.sh $(SECONDS) $(READER)

# Without network nothing can be installed, and what is there may do: CMake says what it lacks.
test-cuda: ## build with the CUDA backend; both backends compared and the unit tests, where there is a device
	@CXX="$(CXX)" sh tools/deps.sh || echo "test-cuda: goes on with what is here" >&2
	@CXX="$(CXX)" cmake --preset cuda
	@cmake --build build-cuda --parallel $(JOBS) --target siglip_program --target siglip_tests
	@build-cuda/siglip parity-devices --goldens data/goldens
	@OMP_WAIT_POLICY=passive ctest --test-dir build-cuda --output-on-failure -R '^unit_'

gpu-report: ## on a machine with a GPU: build, compare, measure, train, sanitize; results in data/gpu
	@CXX="$(CXX)" sh tools/gpu_report.sh

gpu-bundle: ## sources and third-party headers in one archive, for gpu-report on a machine without network
	@sh tools/gpu_bundle.sh

# PyTorch and transformers in virtual environments of their own; REFERENCE_PYTHON=… takes one that is there.
REFERENCE_PYTHON ?= .venv-reference/bin/python
OLDER_PYTHON ?= .venv-reference-older/bin/python
GOLDENS ?= data/goldens
# environment NAME,LIST: tools/reference/LIST installed in .venv-NAME, again when the list changes.
environment = [ -x .venv-$(1)/bin/python ] || $(PYTHON) -m venv .venv-$(1); \
  cmp -s tools/reference/$(2) .venv-$(1)/made-with || { \
    .venv-$(1)/bin/python -m pip install --quiet -r tools/reference/$(2) && cp tools/reference/$(2) .venv-$(1)/made-with; }
reference-python:
	@[ "$(REFERENCE_PYTHON)" != .venv-reference/bin/python ] || { $(call environment,reference,requirements.txt); }

reference-python-older:
	@[ "$(OLDER_PYTHON)" != .venv-reference-older/bin/python ] || { $(call environment,reference-older,requirements-older.txt); }

goldens: reference-python reference-python-older ## make data/goldens again: what PyTorch, transformers, Pillow and others compute (GOLDENS=…: elsewhere)
	@OMP_NUM_THREADS=1 $(REFERENCE_PYTHON) tools/reference/make_goldens.py --out $(GOLDENS) --older $(OLDER_PYTHON)

test-reference: build reference-python ## what we train and convert, in transformers: ids, pixels, embeddings, logits; a million texts
	@$(REFERENCE_PYTHON) tools/reference/golden_manifest.py --check
	@$(REFERENCE_PYTHON) tools/reference/check_export.py --siglip $(BUILD)/siglip
	@[ ! -d runs/train/demo ] || $(REFERENCE_PYTHON) tools/reference/check_export.py --siglip $(BUILD)/siglip runs/train/demo
	@$(REFERENCE_PYTHON) tools/reference/check_words.py --siglip $(BUILD)/siglip
	@$(REFERENCE_PYTHON) tools/reference/check_convert.py --siglip $(BUILD)/siglip
	@$(MAKE) --no-print-directory test-tokenizers

test-tokenizers: build reference-python-older ## a million texts, the same ids as transformers, sentencepiece and tokenizers (Debian: unicode-cldr-core)
	@$(OLDER_PYTHON) tools/reference/check_tokenizers.py --siglip $(BUILD)/siglip

test-full: build reference-python ## published sizes with random weights, beside transformers (16 GB of memory and 8 GB of disk are expected)
	@$(REFERENCE_PYTHON) tools/reference/full_size.py --siglip $(BUILD)/siglip

bench: build ## speed and memory of the loss, of a training step and of the towers, as JSON
	@$(BUILD)/siglip bench loss --batch 8192,16384 --json
	@$(BUILD)/siglip bench loss --batch 32768 --dim 64 --json
	@$(BUILD)/siglip bench step --json
	@$(BUILD)/siglip bench tower --json

bench-reference: build ## the same beside PyTorch and ONNX Runtime, pictures beside Pillow, texts beside tokenizers, in a virtual environment
	@$(call environment,bench,requirements-bench.txt)
	@.venv-bench/bin/python tools/reference/bench_pytorch.py --siglip $(BUILD)/siglip
	@.venv-bench/bin/python tools/reference/bench_pixels.py --siglip $(BUILD)/siglip
	@.venv-bench/bin/python tools/reference/bench_tokenizers.py --siglip $(BUILD)/siglip

lint: deps ## formatting, who includes whom, every op in the table
	@sh tools/lint.sh

install: deps ## library and program under PREFIX (/usr/local), for any processor of this kind
	@CXX="$(CXX)" cmake -S . -B $(BUILD)-install -DCMAKE_BUILD_TYPE=Release -DSIGLIP_NATIVE=OFF -DSIGLIP_TESTS=OFF -DBUILD_SHARED_LIBS=ON \
	  -DSIGLIP_CUDA=$(SIGLIP_CUDA)
	@cmake --build $(BUILD)-install --parallel $(JOBS)
	@cmake --install $(BUILD)-install --prefix $(PREFIX)
