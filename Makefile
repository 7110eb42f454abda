# What one types while working on kwhy. The checks live in .ci/run and .ci/release, which
# need no make.

FUZZTIME ?= 200000x

.DEFAULT_GOAL := help
.PHONY: help build test test-all race lint golden docs fuzz bench bench-peers snapshot module ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## ./kwhy, a static binary
	CGO_ENABLED=0 go build -trimpath -o kwhy ./cmd/kwhy

test: ## all tests
	go test ./...

test-all: ## those too that take minutes: each file of a recorded host spoiled in each way
	KWHY_TEST_ALL=1 go test -count=1 -timeout 60m ./...
	RACEALL=1 CROSSTIME=3600 .ci/run race cross

race: ## under the race detector what shares between goroutines; needs a C compiler
	RACEALL=1 .ci/run race

lint: ## gofmt, go vet, golangci-lint at the version that .ci/run names
	.ci/run gofmt vet lint

golden: ## rewrite the expected outputs of tests
	KWHY_UPDATE=1 go test -count=1 ./...

docs: ## regenerate rules, manual, reference, completion and licences
	KWHY_UPDATE=1 go test -count=1 ./docs -run TestGenerated

snapshot: ## all of a release but publishing, into dist/
	.ci/release

module: ## move the tree to another module path: make module MODULE=host/owner/kwhy
	.ci/module "$(MODULE)"

fuzz: ## each fuzz target for FUZZTIME inputs
	FUZZALL=1 FUZZTIME=$(FUZZTIME) .ci/run fuzz

bench: ## benchmarks inside the process
	go test -run '^$$' -bench . ./...

bench-peers: ## whole processes against free, ps and the like
	go run ./bench

ci: ## everything that must hold before a change goes in
	.ci/run
