PYTHON ?= python3
BIN := .venv/bin
LOCK := python/pyproject.toml python/requirements.lock
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -c python/requirements.lock
PYTEST = $(BIN)/python -m pytest -c python/pyproject.toml --rootdir . -n 2 $(ARGS)
RUFF_CONFIG = --config python/pyproject.toml

# dbt starts twice as fast from compiled bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-suites test-all-cases test-writers spark-up spark-down lint lock bench-faults clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/demo ## Run the checks over the flights of 2013 on DuckDB, and print what each one measured
	@$(BIN)/python -m dbt_vigil.demo

test: .venv/java .venv/airflow/installed lint ## Run the linters, and every test on DuckDB and Spark
	@$(PYTEST)

test-fast: .venv/full ## Run the tests on DuckDB only
	@$(PYTEST) -m "not airflow and not spark and not delta and not iceberg"

test-suites: .venv/java ## Compare vigil test with dbt test on 3,000 random suites, or as many as SUITES says
	@VIGIL_SUITES=$(or $(SUITES),3000) $(PYTEST) tests/test_same_verdicts.py tests/plan/test_equal_answers.py

test-all-cases: .venv/java ## Judge every case on Spark, from profiles too, and in tables of Delta and of Iceberg on clusters
	@VIGIL_ALL_CASES=1 $(PYTEST) tests/test_cases.py -m "spark or delta or iceberg"

test-writers: .venv/java ## Let eight processes write 50 runs each into one record in Delta, and into one in Iceberg
	@VIGIL_RUNS=50 $(PYTEST) tests/test_maintain.py -m "delta or iceberg"

spark-up: .venv/java ## Start a Spark cluster for each table format, and print what a profile must say
	@$(BIN)/python -m tests.spark up

spark-down: .venv/full ## Stop what spark-up has started
	@$(BIN)/python -m tests.spark down

lint: .venv/full ## Run the linters and the type checker
	@$(BIN)/ruff check --quiet $(RUFF_CONFIG) .
	@$(BIN)/ruff format --quiet --check $(RUFF_CONFIG) .
	@$(BIN)/mypy --config-file python/pyproject.toml --no-error-summary python/dbt_vigil benchmarks tests
	@$(BIN)/yamllint --strict .
	@PATH="$(BIN):$$PATH" $(BIN)/sqlfluff lint --disable-progress-bar --nocolor models

lock: .venv/full ## Write python/requirements.lock anew from python/pyproject.toml
	cd python && UV_PYTHON_DOWNLOADS=never ../$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.10 --all-extras --upgrade \
		--no-header --no-annotate --quiet --output-file requirements.lock

bench-faults: .venv/full ## Harm real data in many ways, and write what the checks and two other tools find of it
	@$(BIN)/python -m benchmarks.faults.run --write

clean: ## Remove the environment and all that dbt, Spark and the linters wrote
	rm -rf .venv target logs dbt_packages spark-warehouse metastore_db derby.log .spark
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache python/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp says that its part of the set-up is done, so that a second run does none.
.venv/created:
	@PYTHON=$(PYTHON) sh python/setup/system.sh venv
	@echo "Creating .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/demo: .venv/created $(LOCK)
	@echo "Installing dbt, DuckDB and the flights ..."
	@$(PIP_INSTALL) --editable 'python[demo]'
	@touch $@

.venv/full: .venv/demo
	@echo "Installing Spark and the test tools ..."
	@$(PIP_INSTALL) --editable 'python[contracts,demo,dev,spark]'
	@touch $@

.venv/java: .venv/full
	@sh python/setup/system.sh java
	@touch $@

.venv/airflow/installed: .venv/created tests/airflow/requirements.lock
	@echo "Installing Airflow ..."
	@$(PYTHON) -m venv --clear .venv/airflow
	@.venv/airflow/bin/python -m pip install --quiet --disable-pip-version-check -r tests/airflow/requirements.lock
	@touch $@
