# The tasks of this repository. `make` prints the list. Otherwise use cargo, and npm in collector-js/ and stats-page/.

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)

SNIPPET := collector-js/dist/tamga.js
SNIPPET_SOURCES := $(shell find collector-js/src -name '*.ts') $(wildcard collector-js/*.json collector-js/build.mjs schema/lists/*.txt)
PAGE := stats-page/dist/page.js
PAGE_SOURCES := $(wildcard stats-page/src/* stats-page/*.json stats-page/build.mjs schema/noise.json)

.DEFAULT_GOAL := help
.PHONY: help run test dist faults drills watch scale linkage fuzz statements protect bench systemd lint engine snippet playground clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and run the demo on this machine
	@scripts/prepare compiler snippet engine
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo build --bins
	@target/debug/tamga-demo

test: ## Run every test, and print how long each step took
	@scripts/prepare compiler snippet engine browser clients
	@scripts/check test

faults: ## Run the fault laboratory for long: kills, power cuts, full disks, outages (about an hour)
	@scripts/prepare compiler snippet engine
	@scripts/faults

drills: ## Run the drills of docs/operations.md (five minutes to twenty)
	@scripts/prepare compiler snippet engine
	@scripts/drills

watch: ## An hour under a real Prometheus, then its alert for a vault that is away (TAMGA_WATCH_SECONDS, and twenty minutes)
	@scripts/prepare compiler snippet engine alerts
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo test --test it under_prometheus -- --ignored --nocapture

fuzz: ## Fuzz the readers of hostile bytes, ten minutes for each of ten targets (TAMGA_FUZZ_SECONDS)
	@scripts/prepare compiler cxx snippet
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@scripts/fuzz

bench: ## Compare the edge and the whole product with what they replace, on two idle cores (an hour); writes docs/benchmarks.md, growth.md, product-benchmarks.md
	@scripts/prepare compiler snippet engine nginx
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo run --profile bench --example stages
	@cargo build --profile bench --package afternoon --package tamga-engine
	@cargo bench --no-run --bench edge --bench product
	@taskset -c 0 cargo bench --bench edge
	@taskset -c 0 cargo bench --bench edge -- growth
	@cargo bench --bench product

linkage: ## Try to join identified data with stored and published data; writes docs/linkage.md (an hour; for less: SCALES=500,2000:2 PAYERS=1500 VAULT=1, WATCHER=1 or PUBLISHED=1 PAYERS=100)
	@scripts/prepare compiler snippet engine
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo test --release --test linkage -- --write $(if $(SCALES),--scales $(SCALES)) $(if $(PAYERS),--payers $(PAYERS)) $(if $(VAULT),--vault) $(if $(WATCHER),--watcher) $(if $(PUBLISHED),--published)

scale: ## Attack the publisher with thirty million events, and with ten million of one day; writes docs/publish-growth.md (about half an hour)
	@scripts/prepare compiler snippet engine
	@cargo test --lib publish::tests::month -- --include-ignored --nocapture
	@cargo test --release --test it disclosure::scale -- --ignored --nocapture --test-threads 1

statements: ## Ask an hour of made-up statements as analysts (TAMGA_STATEMENTS_SECONDS, TAMGA_STATEMENTS_SEED)
	@scripts/prepare compiler snippet engine
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo test --test it made_up -- --ignored --nocapture

systemd: ## Run the steps of the operator's guide under a real systemd (a minute, as root)
	@scripts/prepare compiler snippet engine nginx
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@cargo build --bins
	@scripts/systemd

protect: ## Record programs and people for account protection, and judge them anew (an hour)
	@scripts/prepare compiler snippet browser
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@tests/protect/run
	@UPDATE_EXPECT=1 cargo test --test it account_protection::recorded

lint: ## Check formats, lints, types, licences, known faults of dependencies, the image and the files for Kubernetes, and alerts
	@scripts/prepare compiler snippet linters alerts
	@$(MAKE) -s $(SNIPPET) $(PAGE)
	@scripts/check lint

dist: ## Build the archive of a release; CHECK=1 builds it twice and compares the bytes
	@scripts/dist $(if $(CHECK),check)

engine: ## Fetch the library of the embedded ClickHouse
	@scripts/prepare engine

snippet: ## Build what browsers get: the snippet, and the page for analysts
	@scripts/prepare snippet
	@$(MAKE) -s $(SNIPPET) $(PAGE)

playground: ## Show each beacon as it leaves the browser, and each signal of the device part
	@scripts/prepare snippet
	@npm --prefix collector-js run --silent playground

$(SNIPPET): $(SNIPPET_SOURCES)
	npm --prefix collector-js run --silent build
	@touch $@

$(PAGE): $(PAGE_SOURCES)
	npm --prefix stats-page run --silent build
	@touch $@

clean: ## Remove everything that was built; the folder data/ and the engine's library stay
	cargo clean
	rm -rf collector-js/{dist,.stacks,.test-build,node_modules,test/apps/node_modules} stats-page/dist stats-page/node_modules
