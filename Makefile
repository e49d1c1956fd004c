# `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
FUZZING := .venv/.fuzzing
AUDIT := build/audit
HELM ?= helm
LONG_TESTS := tests/property/test_quota_charge.py::test_fm_43_charges_agree_with_the_second_implementation \
  tests/property/test_quota_ledger.py::test_stored_claims_never_exceed_the_limit_and_no_charge_leaks

.PHONY: audit browser dist soak restarts rotation long-tests conformance conformance-record help install check fix test e2e fuzz demo bench lock controlplane conformance-reference

help:  ## Show this help.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

install: $(INSTALLED)  ## Create .venv with the pinned dependencies and the drawbridge command.

check: install  ## Format, lint, types and import directions.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: install  ## Format and apply safe lint fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

controlplane: install  ## Build etcd, Kubernetes' servers, kubectl, Helm and promtool for the tests (twelve minutes, once).
	$(BIN)/python -m tests.controlplane.build

conformance-reference: install  ## Build Kubernetes' own compiler of device selectors, to be asked by the tests.
	$(BIN)/python -m tests.support.reference

conformance: conformance-reference  ## 20,000 random selectors a release and seed, judged by us and by Kubernetes' compiler.
	$(BIN)/python -m tests.conformance.campaign

conformance-record: conformance-reference  ## Record anew what each release says of the recorded selectors; then read the differences.
	$(BIN)/python -m tests.conformance.record

browser:  ## Install Chromium, in which the tests look at HTML pages, where there is no browser and apt-get may.
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	{ apt-get -q update && apt-get -qy install --no-install-recommends chromium; } || echo "no browser: its tests are skipped"

test: controlplane browser  ## All tests, the real control plane's and the browser's included.
	$(BIN)/pytest

e2e: controlplane  ## Only the tests on the real control plane.
	$(BIN)/pytest -m e2e

$(FUZZING): requirements/fuzz.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	touch $@

fuzz: $(FUZZING)  ## 218,000 hostile reviews, selectors and manifests, or as many as SECONDS allow; what breaks a law is kept in build/fuzz.
	nice $(BIN)/python -m tests.fuzz.campaign $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

$(AUDIT)/.installed: requirements/audit.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	touch $@

audit: $(AUDIT)/.installed  ## Known vulnerabilities of what is installed at run time, by its pinned hashes; asks the package index.
	$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement requirements/runtime.txt

long-tests: install  ## The laws of charging and of the ledger on 100,000 examples each, over all processors (ten minutes on two that have nothing else to do).
	@seed=$(or $(SEED),$$(date +%s)); parts=$$(nproc); echo "SEED=$$seed, $$parts processes"; \
	for part in $$(seq $$parts); do \
	  LONG_TESTS=$$(((100000 + parts - 1) / parts)) $(BIN)/pytest -q --timeout=0 --hypothesis-seed=$$((seed + part)) $(LONG_TESTS) & \
	  running="$$running $$!"; \
	done; \
	for one in $$running; do wait $$one || failed=1; done; test -z "$$failed"

rotation: controlplane  ## 30,000 admission calls through an API server while certificates and the CA are replaced.
	ROTATION_CALLS=30000 $(BIN)/pytest -s tests/e2e/test_certificate_rotation.py -k no_call_fails

soak: controlplane  ## Mixed traffic for SECONDS=600 while all that is watched changes: memory, files, threads and the books of quotas.
	SOAK_SECONDS=$(or $(SECONDS),600) $(BIN)/pytest -s tests/e2e/test_soak.py

restarts: controlplane  ## 30,000 admission calls through an API server while replicas are restarted one after another.
	RESTART_CALLS=30000 $(BIN)/pytest -s tests/e2e/test_restarts.py

demo: install  ## Four decisions over HTTPS against a standalone server; no Kubernetes needed.
	$(BIN)/python examples/demo.py

bench: controlplane  ## The benchmarks; benchmarks/RESULTS.md says what they have shown.
	for part in edge cel decision rewrite claims startup quota overload scale; do $(BIN)/python -m benchmarks.$$part || exit 1; done

dist: install  ## The chart and the wheel of a release, in build/dist; with HELM=helm.
	rm -rf build/dist build/lib && mkdir -p build/dist
	$(HELM) package deploy/helm/drawbridge --destination build/dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/dist .

lock:  ## Pin the requirements again, with hashes and without addresses (needs uv).
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/runtime.in requirements/otel.in -o requirements/otel.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/dev.in -o requirements/dev.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/go.in -o requirements/go.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/build.in -o requirements/build.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/fuzz.in -o requirements/fuzz.txt
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header requirements/audit.in -o requirements/audit.txt
