# Everything a contributor needs. `make help` lists the targets.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: agents mutants test-agents help setup demo test test-long check lint type house fmt rehearse-package docs bench crash simulate lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## install the pinned tools into .venv

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; run make PYTHON=/path/to/python3.11 (3.11 or newer)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the main job, live: from a label to a merge-ready pull request, nothing leaves this machine
	$(BIN)/dispatcher demo

test: check ## lint, strict types, house rules, the tests that are quick; the rules (core) with every branch covered
	$(BIN)/python -m pytest -n 2 --dist worksteal -q tests/core \
	  --cov=dispatcher.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100
	$(REAL) -n 2 --dist worksteal -m "not long" || $(ONCE_MORE)

test-long: $(STAMP) ## what takes longer: the attack suite, the real agent programs, real kills, every case of a story
	$(REAL) -n 2 --dist worksteal -m long || $(ONCE_MORE)

REAL := $(BIN)/python -m pytest -q --ignore=tests/core --ignore=tests/house
ONCE_MORE = { echo "Once more, one by one: a busy machine can make a real process late. What fails twice is a fault."; \
	  $(REAL) --last-failed --last-failed-no-failures none; }

check: $(STAMP) ## lint, strict types, and the house: imports point inward, documents match the code
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint type house

house: $(STAMP) ## the house test alone
	$(BIN)/python -m pytest -q tests/house

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP) ## mypy --strict
	$(BIN)/mypy

fmt: $(STAMP) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## write the generated reference pages and the diagram in WORKFLOW.md
	$(BIN)/python tools/write_docs.py

attacks: $(STAMP) ## hostile agents and hostile texts against the real engine and sandbox: how many ran, got through, were skipped
	$(BIN)/python -m pytest -n 2 --dist loadfile -q tests/attacks

bench: $(STAMP) ## the numbers, as counts and ratios
	$(BIN)/python bench/run.py

rehearse-package: $(STAMP) ## rehearse on the real source of a published package
	$(BIN)/python tools/rehearse_package.py

crash: $(STAMP) ## a sudden death at every boundary of a task's whole life, in memory (a minute) and for real (half an hour)
	$(BIN)/python -m tests.crash.sweep
	$(BIN)/python -m tests.crash.sweep --real

SEEDS ?= 500
simulate: $(STAMP) ## SEEDS=n worlds of people, agents and faults against the ten invariants; SEED=n replays one
	$(BIN)/python tools/simulate.py $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(if $(STEPS),--steps $(STEPS))

mutants: $(STAMP) ## one small fault after the other in a copy of the product, and some test must notice (hours); ONLY=words takes a part
	nice -n 19 $(BIN)/python tools/mutants.py $(if $(ONLY),--only '$(ONLY)')

agents: $(STAMP) ## install the agent programs that CI tries into .agents (npm; what cannot be installed is skipped)
	$(BIN)/python tools/test_agents.py --install --kind claude --kind codex --kind gemini

test-agents: $(STAMP) ## install the agent programs into .agents and play each one through the dispatcher; no model is asked
	$(BIN)/python tools/test_agents.py $(ARGS)

lock: ## pin every dependency again (needs uv); the file holds no addresses
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header --no-strip-extras --all-extras --quiet --exclude-newer 2026-11-01 pyproject.toml -o requirements.lock

clean: ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build *.egg-info
