# Every target does its own set-up: on Debian and Ubuntu, as root or through
# sudo, Go and make are enough. CI calls the same targets.

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# One set of flags for all, so that build, tests and linter share what is
# compiled; scripts/test turns cgo on for the race detector alone.
export CGO_ENABLED := 0
export GOFLAGS := $(filter-out -trimpath -buildvcs=%,$(GOFLAGS)) -trimpath -buildvcs=false

# Go fetches modules over HTTPS; the smallest Debian trusts nobody yet.
authorities := [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -n "$$SSL_CERT_FILE" ] || ! command -v apt-get >/dev/null || scripts/need update-ca-certificates:ca-certificates

.DEFAULT_GOAL := help
.PHONY: help build demo test lint bench soak

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/deployer, one static binary
	@$(authorities)
	@[ -e bin/deployer ] || echo 'the first build compiles everything: some minutes'
	go build -ldflags '-s -w -X main.version=$(version)' -o bin/deployer ./cmd/deployer

demo: build ## watch a push deploy and a bad push come back; the Engine stays up
	scripts/engine start
	bin/deployer demo

test: ## run all tests, on a Docker Engine that is started where none runs
	@$(authorities)
	scripts/with-engine scripts/test

lint: ## check the code, the import table and the scripts
	scripts/lint

bench: ## run the benchmarks
	scripts/with-engine scripts/bench

soak: ## run for hours what `make test` samples
	scripts/with-engine scripts/soak
