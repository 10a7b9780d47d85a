# Every verb of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

STACK ?= dev
CLOUD ?= rehearsal
# More than processors: most of the time a test of real machines waits for them.
TEST_PROCESSES ?= 4
PYTHON := .venv/bin/python
REHEARSAL := $(PYTHON) -m rehearsal
ifneq ($(filter env status ssh logs shell reset down,$(firstword $(MAKECMDGOALS))),)
ifeq ($(wildcard $(PYTHON)),)
$(error nothing is set up in this checkout yet: run `make setup` first)
endif
endif
# A recipe's shell in which clients, Pulumi and Packer talk to the rehearsal cloud.
# The assignment stops the recipe if there is no such cloud; `eval "$$(...)"` alone would go on.
IN_REHEARSAL = exports=$$($(REHEARSAL) env --cloud $(CLOUD)); eval "$$exports"

# `make ssh worker01nyc3` and `make logs frontserve`: the word after the verb is its argument.
ifneq ($(filter ssh logs,$(firstword $(MAKECMDGOALS))),)
NAME ?= $(word 2,$(MAKECMDGOALS))
$(eval $(word 2,$(MAKECMDGOALS)):;@:)
endif

.PHONY: help setup doctor cloud rehearse env status ssh logs shell image-local test check drill bench bench-api conformance reset down

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install or build what is missing: tools, Python packages, plugins (no cloud, no account)
	@python3 -m toolchain setup

doctor: ## each tool, its version, where it came from, and which provider plugins are in use
	@python3 -m toolchain doctor

cloud: setup ## only the rehearsal cloud, for any client; prints what to set: make cloud [MACHINES=memory] [PORT=8080] [TIMES=real]
	@$(REHEARSAL) up --cloud $(CLOUD) $(if $(MACHINES),--machines $(MACHINES)) $(if $(PORT),--port $(PORT)) $(if $(TIMES),--times $(TIMES))

rehearse: setup ## the whole system on this machine: cloud, `pulumi up` of STACK (dev), and its answer
	@$(REHEARSAL) up --cloud $(CLOUD) --quiet
	@$(IN_REHEARSAL); $(PYTHON) -m deploy up $(STACK); $(PYTHON) -m deploy verify $(STACK); \
	url=$$(pulumi stack output url --stack $(STACK)); echo "GET $$url"; \
	curl --silent --show-error --fail --write-out '\n' "$$url"

env: ## shell lines for `eval "$(make -s env)"`: then plain pulumi, packer and curl work with the rehearsal
	@$(REHEARSAL) env --cloud $(CLOUD)

status: ## droplets, members, services and checks, deployments, the URL; JSON=1 for scripts
	@$(IN_REHEARSAL); $(PYTHON) -m deploy status $(STACK) $(if $(JSON),--json)

ssh: ## a shell on a droplet, as ops, who may use sudo: make ssh worker01nyc3
	@$(IN_REHEARSAL); $(PYTHON) -m deploy ssh $(STACK) $(NAME)

logs: ## what a droplet's agents or a service's instances logged: make logs worker01nyc3, make logs frontserve
	@$(IN_REHEARSAL); $(PYTHON) -m deploy logs $(STACK) $(NAME)

shell: ## a shell in which the consul and nomad CLIs and curl may use the cluster
	@$(IN_REHEARSAL); $(PYTHON) -m deploy shell $(STACK)

image-local: setup ## run the image's provisioners on a Debian machine over SSH: make image-local HOST=address [KEY=file]
	@PATH="$(CURDIR)/.venv/bin:$$(python3 -m toolchain bin):$$PATH" PACKER_PLUGIN_PATH="$$(python3 -m toolchain packer-plugins)" images/local "$(HOST)" "$(KEY)"

test: setup ## every test, a real `pulumi up` on real machines included: make test [ARGS=tests/infra]
	@$(PYTHON) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder $(ARGS)

check: setup ## formatting, lint, types, shell scripts
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@git ls-files -z | xargs -0 grep -lE '^#!(/bin/(ba)?sh|/usr/bin/env (ba)?sh)' | xargs shellcheck

drill: setup ## changes and failures of a running stack under load, on real machines: make drill [NAME="image worker-off"] [REQUESTS=1000]
	@$(PYTHON) -m tests.drills $(if $(REQUESTS),--requests $(REQUESTS)) $(NAME)

bench: setup ## times of a cold up, a no-op up and a down, with a baseline, in one run: make bench [ARGS="--rounds 1"]
	@$(PYTHON) -m tests.bench $(ARGS)

bench-api: setup ## how quickly the rehearsal's API answers: 1,000 droplets, 200 requests a second
	@$(PYTHON) -m tests.rehearsal.load $(ARGS)

conformance: setup ## 20,000 requests made from the API's description, each answer held against it (the description is kept outside)
	@$(PYTHON) -m tests.rehearsal.conformance $(ARGS)

reset: ## empty the cloud: all that was made in it goes; its name, port, accounts and keys stay; also after a crash
	@$(REHEARSAL) reset --cloud $(CLOUD)

down: ## destroy STACK and the cloud, and prove that nothing is left; also after a crash
	@destroyed=0; state=0; \
	$(REHEARSAL) status --cloud $(CLOUD) --quiet || state=$$?; \
	if [ $$state = 2 ] && [ "$(origin CLOUD)" != file ]; then \
	  echo "there is no cloud $(CLOUD): nothing was destroyed" >&2; exit 2; fi; \
	if [ $$state = 0 ]; then \
	  $(IN_REHEARSAL); $(PYTHON) -m deploy destroy $(STACK) --yes --if-exists || destroyed=$$?; fi; \
	$(REHEARSAL) down --cloud $(CLOUD); \
	exit $$destroyed
