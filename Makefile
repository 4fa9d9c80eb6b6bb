# Targets for people; .ci/run calls `make ci`. They need Go, a C compiler and make: deps.sh
# installs libzmq's headers, and go builds the developer tools that tests/tools/go.mod pins.

GO    ?= go
TOOL  := $(GO) tool -modfile=tests/tools/go.mod
DEPS  := ./tests/tools/deps.sh

# zmqcat prints its manual as Markdown. A tool makes the manual page of it, so that zmqcat
# itself does not depend on the tool.
ZMQCAT_1 = $(GO) run ./zmqio/cmd/zmqcat manual | $(TOOL) go-md2man

# `make bench` runs these cases and peers (regular expressions), rounds, and seconds a run.
# PIN=on pins the measured process to one processor and its peer to another. PIN=off pins
# neither, and PIN=both runs each case both ways.
CASES  ?=
PEERS  ?=
ROUNDS ?= 5
TIME   ?= 0.4
OUT    ?= bench.out
PIN    ?= both

# `make bundle` fills this directory, which must be empty or missing.
BUNDLE ?= bin/bundle

# `make bench-compare` compares with the commit REF. It runs the micro-benchmarks that match
# BENCH, COUNT times. With FAIL=10 it fails if a benchmark is slower by more than 10 %, or
# allocates more at all.
REF   ?= main
BENCH ?= .
COUNT ?= 6
FAIL  ?=

.DEFAULT_GOAL := help
.PHONY: help run bundle static test test-spec race test-asan test-fault bench bench-compare generate man fmt ci fresh format tidy vuln lint

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install libzmq's headers if missing, then echo this README through zmqcat
	@$(DEPS)
	$(GO) run ./zmqio/cmd/zmqcat demo README.md

bundle: ## make a directory of zmqcat and its shared libraries that runs in an empty root: BUNDLE=dir
	@$(DEPS)
	$(GO) build -o bin/zmqcat ./zmqio/cmd/zmqcat
	@./tests/tools/bundle.sh '$(BUNDLE)' bin/zmqcat

# libzmq.a alone is not enough: zmqio/cmd/zmqcat/README.md lists the other libraries.
static: ## build a static bin/zmqcat-static, if libzmq.a and the libraries that it needs are installed
	CGO_LDFLAGS="$$(pkg-config --static --libs libzmq)" $(GO) build -tags netgo,osusergo \
		-ldflags '-linkmode external -extldflags -static' -o bin/zmqcat-static ./zmqio/cmd/zmqcat

test: ## install what is missing, then run all tests
	@$(DEPS) peers browser
	$(GO) test -count=1 ./...
	$(GO) -C tests/bench test -count=1 ./...
	$(GO) -C tests/browser test -count=1 ./...
	$(GO) -C zmqio/zmqprom test -count=1 ./...
	$(GO) -C zmqio/examples test -count=1 ./...
	$(GO) -C tests/tools test -count=1 ./...

test-spec: ## change facts of spec/ one by one, 40 of each field, and check that a test notices each
	@$(DEPS)
	$(GO) test -count=1 -timeout 9m -v -run 'TestMutations|TestLibrary|TestRecorded|TestHistory' ./gen/live -args -mutations 40

race: ## run all tests under the race detector
	@$(DEPS) peers
	$(GO) test -count=1 -race ./...
	$(GO) -C zmqio/zmqprom test -count=1 -race ./...

# AddressSanitizer reports leaks at the end of each test binary: memory that neither C nor Go
# points to. malloc must refuse a peer's frame of 2^63 bytes, as it does without ASan.
ASAN_OPTIONS ?= detect_leaks=1:allocator_may_return_null=1
test-asan: export ASAN_OPTIONS := $(ASAN_OPTIONS)
test-asan: export GOEXPERIMENT := cgocheck2
test-asan: ## test what crosses into C, under AddressSanitizer and Go's cgocheck2
	@$(DEPS) asan
	$(GO) test -count=1 -timeout 40m -asan ./zmqio/internal/sock ./zmqio ./tests/fault

test-fault: ## run the long form of tests/fault under the race detector, and the fuzz targets
	@$(DEPS) net
	$(GO) test -count=1 -race -v -timeout 20m ./tests/fault -args -long
	$(GO) test -count=1 -v -timeout 20m -run SlowReceiver ./tests/interop -args -long
	$(GO) test -run '^$$' -fuzz FuzzEndpoint -fuzztime 20s ./zmqio
	$(GO) test -run '^$$' -fuzz FuzzFraming -fuzztime 20s ./zmqio/internal/sock

bench: ## compare with C and others: CASES=regexp PEERS=regexp ROUNDS=n TIME=seconds OUT=dir PIN=on|off|both
	@$(DEPS) peers
	$(GO) -C tests/bench run . -cases '$(value CASES)' -peers '$(value PEERS)' -rounds $(ROUNDS) -time $(TIME)s -pin '$(PIN)' -out '$(abspath $(OUT))'

bench-compare: ## compare micro-benchmarks of the work tree with those of a commit: REF=main BENCH=regexp COUNT=n FAIL=percent
	@$(DEPS)
	@GO='$(GO)' ./tests/tools/bench-compare.sh '$(REF)' '$(value BENCH)' '$(COUNT)' '$(FAIL)'

generate: ## write the generated files from spec/
	$(GO) generate ./gen

man: ## write zmqcat's manual page from its help
	$(ZMQCAT_1) >zmqio/cmd/zmqcat/zmqcat.1.new && mv zmqio/cmd/zmqcat/zmqcat.1.new zmqio/cmd/zmqcat/zmqcat.1

fmt: ## format all Go code
	$(TOOL) gofumpt -w .

# A timeout is for a package that hangs. Beside other packages on two busy processors tests/fault
# has taken 78 to 154 s, and more than 228 s under the race detector. Under AddressSanitizer it has
# taken 788 s beside ten busy programs.
#
# With the tag zmqio_poll the loop waits with poll(2), as on systems without epoll.
ci: fresh format tidy lint vuln ## run every check of a change
	$(GO) test -count=1 -timeout 20m ./...
	$(GO) test -count=1 -timeout 20m -tags zmqio_poll ./zmqio/... ./tests/conformance
	$(GO) test -count=1 -timeout 20m -race ./...
	$(MAKE) test-asan
	$(GO) -C tests/bench test -count=1 -timeout 20m ./...
	$(GO) -C tests/browser test -count=1 -timeout 20m ./...
	$(GO) -C zmqio/zmqprom test -count=1 -timeout 20m -race ./...
	$(GO) -C zmqio/examples test -count=1 -timeout 20m ./...
	$(GO) -C tests/tools test -count=1 -timeout 20m ./...

# The parts of ci.

fresh:
	$(GO) run ./gen
	@$(ZMQCAT_1) | cmp -s - zmqio/cmd/zmqcat/zmqcat.1 || { echo 'run make man: zmqcat.1 is not what zmqcat --help says' >&2; exit 1; }

format:
	@echo 'checking the format'
	@bad=$$(gofmt -l . && $(TOOL) gofumpt -l .) && \
	if [ -n "$$bad" ]; then \
		echo "run make fmt for:" >&2; echo "$$bad" | sort -u >&2; exit 1; \
	fi

tidy:
	$(GO) mod tidy -diff
	$(GO) -C tests/bench mod tidy -diff
	$(GO) -C tests/browser mod tidy -diff
	$(GO) -C zmqio/zmqprom mod tidy -diff
	$(GO) -C zmqio/examples mod tidy -diff
	$(GO) -C tests/tools mod tidy -diff

lint:
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) -C tests/bench vet ./...
	$(GO) -C tests/bench tool -modfile=../tools/go.mod staticcheck ./...
	$(GO) -C tests/browser vet ./...
	$(GO) -C tests/browser tool -modfile=../tools/go.mod staticcheck ./...
	$(GO) -C zmqio/zmqprom vet ./...
	$(GO) -C zmqio/zmqprom tool -modfile=../../tests/tools/go.mod staticcheck ./...
	$(GO) -C zmqio/examples vet ./...
	$(GO) -C zmqio/examples tool -modfile=../../tests/tools/go.mod staticcheck ./...
	$(GO) -C tests/tools build tool
	$(GO) -C tests/tools vet ./...
	$(GO) -C tests/tools tool staticcheck ./...

vuln: ## look for known vulnerabilities in the code that zmqio calls, if https://vuln.go.dev can be reached
	@./tests/tools/vulncheck.sh $(TOOL) govulncheck ./...
	@./tests/tools/vulncheck.sh $(TOOL) govulncheck -C zmqio/zmqprom ./...
