# The environment, the demo and the tests. `make` alone lists the targets.

PYTHON ?= python3
ENVIRONMENT := .venv/installed
RUN := . .venv/bin/activate &&
NAME ?= demo
DEVICE ?= cpu
COUNT ?= 300
export UV_COMPILE_BYTECODE = 1
# Tests and runs start hundreds of processes: none compiles again what another has compiled.
export PYTHONDONTWRITEBYTECODE =
TESTS := OMP_NUM_THREADS=1 pytest -q -n auto --dist loadfile --no-loadscope-reorder
export NAME REMOTE TORCH_INDEX

.PHONY: help demo named publish spot-check test test-all property mutants lint bench docs leaderboard crate-test lxt-test cluster slurm-test storage-test lock clean faults

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

$(ENVIRONMENT): envs/requirements.txt pyproject.toml
	@echo "installing the locked environment into .venv (once)"
	@if test -n "$$TORCH_INDEX"; then \
		test -d .venv || $(PYTHON) -m venv .venv; \
		.venv/bin/python -m pip install --quiet --no-deps --index-url "$$TORCH_INDEX" \
			$$(grep --only-matching --extended-regexp '^(torch|torchvision)==[0-9.]+' envs/requirements.txt) && \
		awk -f envs/without_cuda.awk envs/requirements.txt > .venv/requirements.txt && \
		.venv/bin/python -m pip install --quiet --no-deps --require-hashes --requirement .venv/requirements.txt && \
		.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	elif command -v uv > /dev/null; then \
		test -d .venv || uv venv --quiet --python $(PYTHON) .venv; \
		uv pip sync --quiet --python .venv --require-hashes envs/requirements.txt; \
		uv pip install --quiet --python .venv --no-deps --no-build-isolation --editable .; \
	else \
		test -d .venv || $(PYTHON) -m venv .venv; \
		.venv/bin/python -m pip install --quiet --require-hashes --requirement envs/requirements.txt; \
		.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

demo: $(ENVIRONMENT) ## run config/demo.yaml end to end: results/demo/report.html
	$(RUN) snakemake --cores all

named:
	@case "$$NAME" in ''|*[!a-z0-9_-]*) echo "error: NAME=$$NAME: no run's name, of small letters, digits, _ and -" >&2; exit 2;; esac

publish: named $(ENVIRONMENT) ## copy a run to published/ for git, what is large for DVC: [NAME=demo] [REMOTE=folder or URL]
	$(RUN) snakemake --cores all --configfile config/$(NAME).yaml
	$(RUN) secateur publish results/$(NAME) published/$(NAME)
	$(RUN) dvc add --quiet $$(secateur published large published/$(NAME))
ifdef REMOTE
	$(RUN) dvc remote add --quiet --force --default published "$$REMOTE"
	$(RUN) dvc push --remote published --recursive published/$(NAME)
endif
	@echo "To let others find it: git add published/$(NAME) .dvc/config && git commit"

spot-check: $(ENVIRONMENT) ## two random cells of every run in published/ measured again: [SEED=1]
	$(RUN) secateur published spot-check $(wildcard published/*/) $(if $(SEED),--seed $(SEED))

test: $(ENVIRONMENT) ## the fast tests
	$(RUN) SECATEUR_EXAMPLES=100 $(TESTS) -m "not slow"

test-all: $(ENVIRONMENT) lint ## every test, the real DAG included
	$(RUN) $(TESTS)

property: $(ENVIRONMENT) ## 10,000 generated configs, command lines, score files and criteria: no traceback
	$(RUN) SECATEUR_EXAMPLES=10000 pytest -q -n auto tests/test_hostile_configs.py tests/test_hostile_commands.py

# Packages of a few targets alone, beside the environment.
.venv/mutants .venv/cluster .venv/docs .venv/crate .venv/lxt: .venv/%: envs/%.txt | $(ENVIRONMENT)
	rm -rf $@
	@if command -v uv > /dev/null; then \
		uv pip install --quiet --python .venv --target $@ --no-deps --require-hashes --requirement $<; \
	else \
		.venv/bin/python -m pip install --quiet --target $@ --no-deps --require-hashes --requirement $<; \
	fi
	@touch $@

mutants: .venv/mutants ## wrong changes of the code, drawn at random: does a fast test fail? docs/mutants.md (an hour) [COUNT=300]
	$(RUN) PYTHONPATH=.venv/mutants OMP_NUM_THREADS=1 python benchmarks/mutants.py --count $(COUNT) --write

lint: $(ENVIRONMENT) ## formatting, types and the workflow's own lint
	$(RUN) ruff check . && ruff format --check . && mypy
	$(RUN) snakefmt --check Snakefile workflow && snakemake --lint

bench: $(ENVIRONMENT) ## all benchmarks of speed into docs/benchmarks.md: [DEVICE=cpu|cuda] [ONLY=sweep,data]
	$(RUN) python benchmarks/page.py --device $(DEVICE) $(if $(ONLY),--only $(ONLY))

cluster: .venv/cluster ## Snakemake's plugins for Slurm and for storage, beside the environment: docs/cluster.md

slurm-test: .venv/cluster ## the DAG through a real Slurm of one node, from Debian's packages (needs root)
	command -v slurmctld munged > /dev/null || (apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends slurm-wlm munge)
	$(RUN) pytest -q -rs tests/workflow/test_slurm.py

storage-test: .venv/cluster ## the DAG with data and results in a storage plugin's place (needs root, for Debian's rsync)
	command -v rsync > /dev/null || (apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends rsync)
	$(RUN) pytest -q -rs tests/workflow/test_storage.py

crate-test: .venv/crate ## a run's crate against the Workflow Run Crate profile, by the registry's validator
	$(RUN) pytest -q -rs tests/review/test_crate.py

lxt-test: .venv/lxt ## relevance through attention as by lxt, the implementation of AttnLRP's authors
	$(RUN) pytest -q -rs tests/relevance/test_lxt.py

docs: .venv/docs ## the site, offline, strict about links: build/site/index.html
	$(RUN) PYTHONPATH=.venv/docs python docs/site/build.py

leaderboard: docs ## the leaderboard of published/*/, built into the site: build/site/leaderboard.html

faults: $(ENVIRONMENT) ## kill, fill and damage a run; the table of docs/robustness.md (a quarter of an hour, root for disks)
	$(RUN) python benchmarks/faults.py --write

lock: ## resolve envs/requirements.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/requirements.txt
	printf '%s\n' snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep throttler \
		snakemake-storage-plugin-fs sysrsync reretry \
		| uv pip compile - --no-deps --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/cluster.txt
	printf '%s\n' sphinx myst-parser furo \
		| uv pip compile - --constraint envs/requirements.txt --universal --python-version 3.11 --upgrade --quiet \
		$$(grep -oE '^[a-z0-9-]+==' envs/requirements.txt | sort -u | sed 's/==//; s/^/--no-emit-package /') \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/docs.txt
	printf '%s\n' cosmic-ray coverage \
		| uv pip compile - --constraint envs/requirements.txt --universal --python-version 3.11 --upgrade --quiet \
		$$(grep -oE '^[a-z0-9-]+==' envs/requirements.txt | sort -u | sed 's/==//; s/^/--no-emit-package /') \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/mutants.txt
	echo lxt \
		| uv pip compile - --no-deps --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/lxt.txt
	echo roc-validator \
		| uv pip compile - --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --output-file envs/crate.txt

clean: ## remove what runs have made (results, data, logs)
	rm -rf results data logs .snakemake
