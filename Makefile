# The targets describe themselves: make help.
SHELL := /bin/bash
GO ?= go
GOLANGCI_VERSION := v2.15.0
TOOLS := $(CURDIR)/.tools
FUZZTIME ?= 15s
NOISERUNS ?= 20
DATE ?= $(shell date -u +%F)
LINKFIGURES := ^Test(Distance|ModelIsTheory|LossCostsWhatItShould|NetstackEdges|NetstackConnections|NetstackConnectionMemory|NetstackSoak)$$

.DEFAULT_GOAL := help
.PHONY: bypass-soak gate gate-simulation gate-record gate-evidence help build servers test race lint fmt fuzz cache-soak cache-suite golden cover cross tidy links-evidence noise-evidence bench-peers bench-handshakes bench-serve clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

build: ## build bin/originpull
	$(GO) build -ldflags=-w -o bin/originpull ./cmd/originpull

servers: ## install the servers that drivers run, where it is root on Debian
	@.ci/servers

test: servers ## run every test with the race detector, in random order
	$(GO) test -race -shuffle=on -timeout 8m ./...

gate: ## this commit against the one before: what is exact must be the same, CPU is shown
	@.ci/gate

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) cross tidy ## vet, golangci-lint, formatting, tidy go.mod, other systems' builds
	$(GO) vet ./...
	$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) run --allow-parallel-runners ./...

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

fmt: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) ## format the code
	$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) fmt ./...

cross: ## vet the builds for macOS and Windows
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...

tidy: ## go.mod and go.sum are tidy
	$(GO) mod tidy -diff

fuzz: ## run every fuzz target for FUZZTIME (15s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$dir/*_test.go 2>/dev/null | sed 's/func //'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

cache-soak: ## ten minutes of random requests at four times the cache's capacity, with the race detector
	$(GO) test -race -count 1 -timeout 20m -run '^TestSoak$$' ./edge/cache -soak 10m

bypass-soak: REPEATS ?= 20
bypass-soak: SCENARIOS ?= bypass-core,bypass-full
bypass-soak: ## the scenarios of attempts REPEATS times (20): every row as predicted, none that flips; an hour and more
	$(GO) test -count 1 -timeout 4h -v -run '^TestBypassRepeats$$' ./sim -bypass-repeats $(REPEATS) -bypass-scenarios $(SCENARIOS)

cache-suite: build ## the public suite http-tests/cache-tests, cloned to DIR, through serve edge: four runs, five minutes
	@.ci/cache-suite $(DIR)

golden: ## rewrite the golden files
	$(GO) test ./results/report ./scenarios -update

gate-simulation: ## gates on three simulated machines, 10,000 each: false alarms and what is found
	GATE_SIMULATIONS=10000 $(GO) test -count=1 -v -run TestGateSimulation ./results

gate-record: NOISE ?= quiet
gate-record: ## record what blocks cost here, for designs of a gate to be tried on: NOISE=busy beside others' work
	GATE_RECORD=$(CURDIR)/results/testdata/gate-noise-$(NOISE).csv.gz $(GO) test -count=1 -timeout 15m -run TestRecordNoise ./sim

gate-evidence: build ## 50 live gates and 110 counts, an hour and more, continued where it stopped; writes docs/gate.md; ARGS="-for 20m"
	@tables=$$(mktemp -d) && trap 'rm -rf "$$tables"' EXIT && \
	GATE_SIMULATIONS=2000 GATE_TABLES=$$tables $(GO) test -count=1 -run 'TestGateSimulation|TestGateReplay' ./results && \
	$(GO) run ./bench/gates -tables "$$tables" $(ARGS)

cover: ## test coverage per package
	$(GO) test -cover ./...

links-evidence: ## hold every figure of links, and write docs/links.md: five minutes, on a quiet machine, as root for tun
	@set -e; parts=$$(mktemp -d); trap 'rm -rf "$$parts"' EXIT; \
	  $(GO) test -count=1 -timeout 20m -v -run '$(LINKFIGURES)' ./wire -evidence "$$parts"; \
	  { sed '/^<!-- measured -->$$/q' docs/links.md; \
	    printf '\n## Measured\n\n%s, %s processors, %s, %s.\n' "$(DATE)" "$$(nproc)" "$$(uname -sr)" "$$($(GO) env GOVERSION)"; \
	    for part in "$$parts"/*.md; do echo; cat "$$part"; done; } > docs/links.md.new; \
	  mv docs/links.md.new docs/links.md

noise-evidence: build ## run doctor --noise NOISERUNS times (20), and write docs/noise.md: ten minutes, on a quiet machine
	@mkdir -p docs
	bin/originpull doctor --noise --runs $(NOISERUNS) --date $(DATE) --format markdown > docs/noise.md.new
	mv docs/noise.md.new docs/noise.md
bench-peers: build ## compare with public load tools; ARGS="--only pace --out docs/performance.md --note docs/performance-notes.md"
	@.ci/peers
	@PATH=$$PATH:/usr/sbin $(GO) run ./bench/peers $(ARGS)

bench-handshakes: ARGS ?= --only connections-1.3,connections-1.2
bench-handshakes: bench-peers ## of that, the handshakes alone

bench-serve: build ## hits through serve edge, nginx and Caddy in turn: requests per CPU-second; ARGS="7 4": rounds, seconds
	@.ci/bench-serve $(ARGS)

clean: ## remove what was built
	rm -rf bin .tools
