# Needs Python 3.11 or newer and make, nothing else. `make help` lists what there is to do.

PORT ?= 8000
SANDBOX_PORT ?=
# Figures of the long tests (`make soak`).
SOAK_KILLS ?= 50
SOAK_USERS ?= 200000
SOAK_EVENTS ?= 500000
SOAK_EXAMPLES ?= 2000
SOAK_IMPORT_MB ?= 499
PYTEST_WORKERS ?= auto
export SOAK_KILLS SOAK_USERS SOAK_EVENTS SOAK_EXAMPLES SOAK_IMPORT_MB

# What Python has compiled is kept, also where the environment says otherwise: tests start some hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check -qq
# Without these, settings are those of production, and want their secrets.
DEV := DJANGO_DEBUG=true
# What a deployment sets: `check --deploy` is to find nothing wrong with it.
PRODUCTION := DJANGO_DEBUG=false ALLOWED_HOSTS=hub.example.com PUBLIC_URL=https://hub.example.com \
	DATABASE_URL=postgresql://hub@127.0.0.1/hub REDIS_URL=redis://127.0.0.1/0 \
	FIELD_ENCRYPTION_KEYS=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= \
	SECRET_KEY=for-this-check-alone-b7d1c0e94f5a4c3e8a6f2d9b1c7e5f30

.PHONY: help demo test checks soak lint format types lock messages clean

help:
	@echo "make demo      run everything in one terminal (PORT=8000 SANDBOX_PORT=8001)"
	@echo "make test      every check and test, as continuous integration runs them"
	@echo "make soak      the long tests (SOAK_KILLS, SOAK_USERS, SOAK_EVENTS, SOAK_EXAMPLES, SOAK_IMPORT_MB)"
	@echo "make lint      ruff; make format: let ruff put things right"
	@echo "make types     mypy"
	@echo "make lock      resolve the dependencies anew into requirements*.txt"
	@echo "make messages  collect and compile translations"
	@echo "make clean     remove what was made here, data of the demo included"

# --- Installation: a stamp per lock file, so that only a changed lock installs anew ---------------------------
# A lock file is complete: without --no-deps pip would refuse the overrides of pyproject.toml.

$(PYTHON):
	@for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do \
		$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		rm -rf $(VENV); \
		$$candidate -m venv $(VENV) >/dev/null 2>&1 && exit 0; \
		rm -rf $(VENV); found=$$candidate; \
	done; \
	if [ -n "$$found" ]; then \
		echo "$$found cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)."; \
	else \
		echo "Python 3.11 or newer is needed, and none was found on the PATH."; \
	fi >&2; exit 1

$(VENV)/installed-runtime: requirements.txt | $(PYTHON)
	@echo "Installing what is needed to run (once)..."
	@$(PIP) install --no-deps --require-hashes -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt | $(PYTHON)
	@echo "Installing what is needed to run and test (once)..."
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/installed-runtime

# --- Running --------------------------------------------------------------------------------------------------

demo: $(VENV)/installed-runtime
	@$(PYTHON) manage.py demo --port $(PORT) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

# --- Checking -------------------------------------------------------------------------------------------------

test: checks browser
	$(PYTHON) -m pytest -n $(PYTEST_WORKERS) --dist worksteal
	$(PYTHON) manage.py demo --check

checks: lint types
	$(VENV)/bin/lint-imports
	$(PYTHON) manage.py check
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) manage.py messages --check

lint: $(VENV)/installed-dev
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

format: $(VENV)/installed-dev
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

types: $(VENV)/installed-dev
	$(DEV) $(PYTHON) -m mypy .

soak: $(VENV)/installed-dev browser
	$(PYTHON) -m pytest -m soak --timeout 14400 -n $(PYTEST_WORKERS) --dist worksteal

# A browser for the tests: the one that is there, else Debian's package where apt is there, else Playwright's own.
.PHONY: browser
browser: $(VENV)/installed-dev
	@$(PYTHON) -m tests.browser && exit 0; \
	echo "Installing Chromium for the browser tests (once)..."; \
	if command -v apt-get >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi; \
		if $$as_root true 2>/dev/null; then \
			$$as_root apt-get update -qq && \
			for package in chromium-headless-shell chromium; do \
				$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package \
					>/dev/null 2>&1 && $(PYTHON) -m tests.browser && exit 0; \
			done; \
		fi; \
	fi; \
	$(PYTHON) -m playwright install chromium

# --- Housekeeping ---------------------------------------------------------------------------------------------

# No index address is written down: the lock is good for every mirror.
COMPILE = $(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet

lock: | $(PYTHON)
	$(PIP) install uv
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra dev -o requirements-dev.txt

messages: $(VENV)/installed-dev
	$(PYTHON) manage.py messages

clean:
	rm -rf $(VENV) .data staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
