# make repro    the embedded collection, from drawing to report      make photos   the same on real photographs
# make own      the same on your own pictures (docs/your-own-pictures.md)
# make stl      the same on Pinterest's public pairs      make cub, cars, sop, inshop, benchmarks   on public benchmarks
# make ablations  each choice made otherwise, more than an hour (docs/ablations.md); COLLECTION=photos, ONLY="arcface cosface" for some
# make codes    what binary codes cost and buy, at six widths (docs/codes.md); COLLECTION=photos
# make costs    what one embedding for all tasks saves, measured and modelled (docs/costs.md); on an idle machine; COLLECTION=photos
# make study    a user study with simulated raters on decor (docs/user-study.md; with people: notebooks/00_judge.ipynb)
# make replay   simulated users: A/B tests and interleaving on decor (docs/replay.md)
# make verdicts all claims on both collections, one page of what has been run
# make lab      JupyterLab       make test   every test              make lint     style and types
# make bench    speed and memory beside named peers (on an idle machine)
# make export   a model, its embeddings and its card for other programs; COLLECTION=decor VARIANT=unified SEED=0 (docs/export.md)
# make publish  docs/results, README and the pages' tables and figures from the last runs
# make lock     new pins         make trim   drop unused cache       make clean    remove what the pipeline made, trainings and DVC's cache too
# make help     this list

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := repro
.PHONY: ablations bench codes costs replay study verdicts export publish repro photos own stl cub cars sop inshop benchmarks lab test lint lock trim clean help venv

PHOTOS ?=
COLLECTION ?= decor
ONLY ?=
VARIANT ?= unified
SEED ?= 0
# The page of all verdicts, of what has been run; no stage before it is run again.
GATHER := dvc repro --single-item verdicts
UV := uv==0.13.9
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DVC_NO_ANALYTICS := 1
# Threads that wait by spinning keep the cores from each other on a busy machine.
export OMP_WAIT_POLICY := PASSIVE

define LOCK_HEADER
# Every package of the environment, pinned; `make lock` makes this file from pyproject.toml, for Python 3.11.
# Linux x86-64: torch as the package index serves it, with the NVIDIA libraries that it requires (about 7 GB installed;
# no GPU is needed). Linux on ARM: the same pins, with those NVIDIA libraries that exist for it. macOS and Windows: the same
# versions without NVIDIA's libraries and Triton (the markers skip them); torch runs on the CPU, macOS on Apple silicon only.
# Tested on Linux x86-64. There are no hashes, because pip takes no `-e .` beside hashed lines, and environment.yml needs both.
endef
export LOCK_HEADER

repro: venv
	dvc repro report@decor
	$(GATHER)
	python -m unifiedlib.show decor

photos: venv
	python -m unifiedlib.sources photos $(if $(PHOTOS),--local "$(PHOTOS)")
	dvc repro report@photos
	$(GATHER)
	python -m unifiedlib.show photos

own stl cub cars sop inshop benchmarks: venv
	python -m unifiedlib.sources $@
	dvc repro report@$@
	$(GATHER)
	python -m unifiedlib.show $@

# With ONLY, the page of all ablations is made of those that have been run.
ablations: venv
	$(if $(filter photos,$(COLLECTION)),python -m unifiedlib.sources photos $(if $(PHOTOS),--local "$(PHOTOS)"))
	$(if $(ONLY),dvc repro $(addprefix ablation-$(COLLECTION)@,$(ONLY)))
	dvc repro $(if $(ONLY),--single-item) ablations@$(COLLECTION)
	$(GATHER)
	@echo "report: $(CURDIR)/executed/$(COLLECTION)/07_ablations.html"

codes: venv
	$(if $(filter photos,$(COLLECTION)),python -m unifiedlib.sources photos $(if $(PHOTOS),--local "$(PHOTOS)"))
	dvc repro codes@$(COLLECTION)
	$(GATHER)
	@echo "report: $(CURDIR)/executed/$(COLLECTION)/08_codes.html"

costs: venv
	$(if $(filter photos,$(COLLECTION)),python -m unifiedlib.sources photos $(if $(PHOTOS),--local "$(PHOTOS)"))
	dvc repro costs@$(COLLECTION)
	$(GATHER)
	@echo "report: $(CURDIR)/executed/$(COLLECTION)/11_costs.html"

study: venv
	dvc repro study@decor
	$(GATHER)
	@echo "report: $(CURDIR)/executed/decor/09_study.html"

replay: venv
	dvc repro replay@decor
	$(GATHER)
	@echo "report: $(CURDIR)/executed/decor/10_replay.html"

verdicts: venv
	dvc repro clean
	$(GATHER)
	@echo "report: $(CURDIR)/executed/12_verdicts.html"

lab: venv
	jupyter lab notebooks

test: venv
	python -m pytest -n 2 --dist loadfile tests
	python -m pytest --nbval-lax --nbval-current-env notebooks

lint: venv
	ruff check .
	ruff format --check .
	mypy

bench: venv
	python benchmarks/allocator.py
	python benchmarks/decor.py
	python benchmarks/assembly.py
	python benchmarks/training.py
	python benchmarks/classes.py
	python benchmarks/scoring.py
	python benchmarks/search.py
	python benchmarks/calls.py
	python benchmarks/itq.py

venv: .venv/.installed

# A stamp, written last: an installation that was interrupted is taken up again.
.venv/.installed: requirements.lock
	@python=; for candidate in python3.11 python3 python; do \
	  if env PATH="$${PATH#*:}" $$candidate -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then echo "Python 3.11 is needed, and neither python3.11 nor python3 is one: install it (or use environment.yml with conda), then run make again." >&2; exit 1; fi; \
	echo "installing requirements.lock into .venv with $$($$python -V) (about 3 minutes, 7 GB)"; \
	env PATH="$${PATH#*:}" $$python -m venv .venv
	@python -m pip install -qq -r requirements.lock
	@python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

lock:
	@mkdir -p build && python3 -m venv build/uv && build/uv/bin/python -m pip install -qq $(UV)
	@cp requirements.lock build/requirements.txt 2>/dev/null || true
	build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header \
	  $(if $(UPGRADE),--upgrade) --output-file build/requirements.txt pyproject.toml
	@{ printf '%s\n' "$$LOCK_HEADER"; awk '/^[^ #]/ { newer = /python_full_version >= .3\.1[2-9]/ } !/^#/ && !newer' build/requirements.txt; } \
	  | sed "s/ ; python_full_version < '3.12' / /" > requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) pins"

export: venv
	python -m unifiedlib.export $(COLLECTION) $(VARIANT) --seed $(SEED)

help:
	@sed -n '/^#/!q;s/^# //p' Makefile

publish: venv
	python -m unifiedlib.publish

trim: venv
	dvc gc --workspace --force

clean:
	rm -rf build executed exports results verdicts embeddings indexes models ablations .checkpoints $(addprefix data/,decor photos own stl cub cars sop inshop benchmarks) data/.*.part data/.*.old .dvc/cache .dvc/tmp
