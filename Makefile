# What there is to do, one line each. `make` alone shows the list.

# The same version for everybody: its findings change with each.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# SQLite is C translated to Go, with its own locks: watched by the race detector it is ten times slower, and no safer.
RACE = -race -gcflags='modernc.org/...=-race=false -d=checkptr=0'

.DEFAULT_GOAL = help
.PHONY: help generate run test clients lint bench torture verify

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

generate: ## write all generated code anew: ent, gqlgen, the printed SDL
	go generate ./...

run: ## start the demo on a throw-away database
	go run . demo

test: ## run all tests with the race detector, on SQLite and PostgreSQL; installs what they need
	scripts/setup
	go test $(RACE) -timeout 20m $(TESTFLAGS) ./...

clients: ## test the protocols with public JavaScript clients, and a page in a real browser; installs what they need
	scripts/setup clients
	clients/run

lint: ## check the code with golangci-lint; the first time takes two minutes to build it
	go run $(GOLANGCI_LINT) run ./...

bench: ## measure the goals; the results go to bench/RESULTS.md
	go run ./bench

torture: ## kill, cut and fill up everything under load, and count; the summary goes to docs/reliability.md; installs what it needs
	scripts/setup torture
	go run ./torture

verify: ## generate, and fail where that makes a difference
	scripts/verify
