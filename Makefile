# The commands of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

STACK ?= dev
CLOUD ?= rehearsal
# More than processors: tests of real machines mostly wait.
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

# `make ssh worker01nyc3` and `make logs frontserve`: the word after the target is its argument.
ifneq ($(filter ssh logs,$(firstword $(MAKECMDGOALS))),)
NAME ?= $(word 2,$(MAKECMDGOALS))
$(eval $(word 2,$(MAKECMDGOALS)):;@:)
endif

.PHONY: help setup doctor cloud rehearse env status ssh logs shell image-local test check drill \
	bench bench-api conformance reset down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install or build missing tools, Python packages and plugins; needs no account
	@python3 -m toolchain setup

doctor: ## show version and origin of each tool and provider plugin
	@python3 -m toolchain doctor

cloud: setup ## start only the cloud: make cloud [MACHINES=memory] [PORT=8080] [TIMES=real]
	@$(REHEARSAL) up --cloud $(CLOUD) $(if $(MACHINES),--machines $(MACHINES)) \
		$(if $(PORT),--port $(PORT)) $(if $(TIMES),--times $(TIMES))

rehearse: setup ## start the rehearsal cloud, deploy STACK (dev), verify it and request its URL
	@$(REHEARSAL) up --cloud $(CLOUD) --quiet
	@$(IN_REHEARSAL); $(PYTHON) -m deploy up $(STACK) --yes; $(PYTHON) -m deploy verify $(STACK); \
	url=$$(pulumi stack output url --stack $(STACK)); echo "GET $$url"; \
	curl --silent --show-error --fail --write-out '\n' "$$url"

env: ## print variables of the rehearsal for other clients: eval "$(make -s env)"
	@$(REHEARSAL) env --cloud $(CLOUD)

status: ## show droplets, members, services, checks, deployments and the URL; JSON=1 for scripts
	@$(IN_REHEARSAL); $(PYTHON) -m deploy status $(STACK) $(if $(JSON),--json)

ssh: ## open a shell on a droplet as user ops, with sudo: make ssh worker01nyc3
	@$(IN_REHEARSAL); $(PYTHON) -m deploy ssh $(STACK) $(NAME)

logs: ## show logs of a droplet's agents or a service: make logs worker01nyc3 or frontserve
	@$(IN_REHEARSAL); $(PYTHON) -m deploy logs $(STACK) $(NAME)

shell: ## open a shell with access to the cluster for consul, nomad and curl
	@$(IN_REHEARSAL); $(PYTHON) -m deploy shell $(STACK)

image-local: setup ## build the image on a Debian machine: make image-local HOST=address [KEY=file]
	@PATH="$(CURDIR)/.venv/bin:$$(python3 -m toolchain bin):$$PATH" \
		PACKER_PLUGIN_PATH="$$(python3 -m toolchain packer-plugins)" images/local "$(HOST)" "$(KEY)"

test: setup ## run all tests, with `pulumi up` on real machines: make test [ARGS=tests/infra]
	@$(PYTHON) -m pytest --numprocesses $(TEST_PROCESSES) \
		--dist loadscope --no-loadscope-reorder $(ARGS)

check: setup ## check formatting, lint, types and shell scripts
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@git ls-files -z | xargs -0 grep -lE '^#!(/bin/(ba)?sh|/usr/bin/env (ba)?sh)' | xargs shellcheck

drill: setup ## change or break a stack under load: make drill [NAME=image] [REQUESTS=1000]
	@$(PYTHON) -m tests.drills $(if $(REQUESTS),--requests $(REQUESTS)) $(NAME)

bench: setup ## measure up and down against a baseline: make bench [ARGS="--rounds 1"]
	@$(PYTHON) -m tests.bench $(ARGS)

bench-api: setup ## measure the rehearsal's API: 1,000 droplets, 200 requests a second
	@$(PYTHON) -m tests.rehearsal.load $(ARGS)

conformance: setup ## send 20,000 requests generated from the API's description, check the responses
	@$(PYTHON) -m tests.rehearsal.conformance $(ARGS)

reset: ## delete all resources in the cloud; name, port, accounts and keys stay; also after a crash
	@$(REHEARSAL) reset --cloud $(CLOUD)

down: ## destroy STACK, remove the cloud and verify that nothing is left; also after a crash
	@destroyed=0; state=0; \
	$(REHEARSAL) status --cloud $(CLOUD) --quiet || state=$$?; \
	if [ $$state = 2 ] && [ "$(origin CLOUD)" != file ]; then \
	  echo "there is no cloud $(CLOUD): nothing was destroyed" >&2; exit 2; fi; \
	if [ $$state = 0 ]; then \
	  $(IN_REHEARSAL); $(PYTHON) -m deploy destroy $(STACK) --yes --if-exists || destroyed=$$?; fi; \
	$(REHEARSAL) down --cloud $(CLOUD); \
	exit $$destroyed
