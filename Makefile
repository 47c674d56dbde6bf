# Go and make are the only requirements; `make help` lists the targets.

.DEFAULT_GOAL = help

GO      ?= go
VERSION ?=
DIG      = dig -p 5300 @127.0.0.1 -x 203.0.113.25

# seconds that each fuzz target runs in `make fuzz`
FUZZTIME ?= 10s
# what `make bench` and `make benchcmp` run, and how often; PACKAGES is where, by
# default ./bench for the one and all packages for the other; OUT keeps the output
BENCH    ?= .
COUNT    ?= 10
PACKAGES ?=
OUT      ?= /dev/null
# flags of the measurements of bench/run, as --quick; `go run ./bench/run peers -h` lists them
FLAGS    ?=
# the systems that `make cross` builds for
CROSS    ?= linux/386 linux/arm linux/arm64 windows/386 windows/amd64 darwin/arm64 freebsd/amd64 openbsd/amd64 netbsd/amd64
# Of these, vetted with the tests as well: one for each kind of code that only some systems have.
CROSSVET ?= linux/386 windows/amd64 freebsd/amd64
BENCHSTAT   = $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI    = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

NFPM        = $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
CYCLONEDX   = $(GO) run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

.PHONY: help run build man install uninstall dist image test-package test-image test test-bench check lint vet fmt race fuzz bench benchcmp cross test-386 clean
.PHONY: bench-peers bench-growth bench-generators bench-instructions bench-updates bench-transfers bench-latency bench-route53 bench-ranges bench-floods bench-mixed mixed-load compare lab lab-down

help:
	@echo 'run       build, and serve config.example.yaml'
	@echo 'test      all tests'
	@echo 'test-bench  tests of the benchmarks'
	@echo 'build     ./ptrd'
	@echo 'man       a manual page for each command in MANDIR ($(MANDIR))'
	@echo 'install, uninstall'
	@echo '          under PREFIX ($(PREFIX)), for a package in DESTDIR'
	@echo 'dist      packages, archives, SBOM and checksums in dist/, for ARCHES ($(ARCHES))'
	@echo 'image     a container image, by PODMAN ($(PODMAN))'
	@echo 'test-package  dist twice, and the packages installed, used, upgraded and removed'
	@echo 'test-image    the image built, and run on port 53'
	@echo 'check     vet, staticcheck, tests with the race detector, fuzzing'
	@echo 'lint      golangci-lint'
	@echo 'fuzz      each fuzz target for FUZZTIME ($(FUZZTIME))'
	@echo 'bench     benchmarks, BENCH=regexp COUNT=n PACKAGES=./... OUT=file'
	@echo 'compare   responses of OTHER=binary against those of the tree, octet by octet'
	@echo 'benchcmp  benchmarks of REF=commit against the tree as it is'
	@echo 'bench-peers, bench-growth, bench-generators, bench-instructions, bench-floods,'
	@echo 'bench-updates, bench-transfers, bench-latency, bench-route53, bench-ranges'
	@echo '          measurements for docs/benchmarks.md, FLAGS=--quick for a look'
	@echo 'mixed-load, bench-mixed'
	@echo '          honest and hostile clients together for MIXED ($(MIXED)): leaks and races; latencies'
	@echo 'cross     builds for other systems, and vets for some: CROSS="linux/arm …"'
	@echo 'lab       a small internet in network namespaces, until ctrl-C: PROVIDER=bind|nsd|knot SCENARIO=base|newcomer|faults|mail|rejected'
	@echo 'test-386  tests of some packages on a 32-bit processor'
	@echo 'fmt       gofmt'

# Without cgo, the binary runs on every distribution, and the capability to bind low ports
# applies to all of its threads.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.release=$(VERSION)" -o ptrd ./cmd/ptrd

# The pages have the date of the commit, so that they are the same wherever they are made. With
# the flags of `make build`, few packages are compiled again.
MANDIR ?= dist/man/man1
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
man:
	CGO_ENABLED=0 $(GO) test -trimpath -vet=off ./cmd/ptrd -ldflags "-X github.com/ptrd/ptrd/cmd/ptrd.release=$(VERSION)" -count=1 -run '^TestMan$$' -man '$(abspath $(MANDIR))'

# Packages set DESTDIR and PREFIX=/usr. Only without DESTDIR, the user is created, and the
# directory of the configuration belongs to it. BINARY may be for another processor than this one's,
# which PTRD is for.
PREFIX  ?= /usr/local
DESTDIR ?=
BINARY  ?= ptrd
PTRD    ?= ./ptrd
ROOTED   = $(DESTDIR)$(PREFIX)
INSTALLED = bin/ptrd lib/systemd/system/ptrd.service lib/systemd/system/ptrd.socket lib/sysusers.d/ptrd.conf \
	share/bash-completion/completions/ptrd share/zsh/site-functions/_ptrd share/fish/vendor_completions.d/ptrd.fish \
	share/man/man1/ptrd*.1 share/doc/ptrd

ptrd: ; $(MAKE) build
$(MANDIR): ; $(MAKE) man

install: | $(BINARY) $(MANDIR)
	install -D -m 755 $(BINARY) $(ROOTED)/bin/ptrd
	install -d $(addprefix $(ROOTED)/,lib/systemd/system lib/sysusers.d share/man/man1 share/doc/ptrd/examples \
		share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d)
	for unit in ptrd.service ptrd.socket; do \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/$$unit | install -m 644 /dev/stdin $(ROOTED)/lib/systemd/system/$$unit || exit; done
	install -m 644 deploy/ptrd.sysusers $(ROOTED)/lib/sysusers.d/ptrd.conf
	$(PTRD) completion bash | install -m 644 /dev/stdin $(ROOTED)/share/bash-completion/completions/ptrd
	$(PTRD) completion zsh | install -m 644 /dev/stdin $(ROOTED)/share/zsh/site-functions/_ptrd
	$(PTRD) completion fish | install -m 644 /dev/stdin $(ROOTED)/share/fish/vendor_completions.d/ptrd.fish
	install -m 644 $(MANDIR)/*.1 $(ROOTED)/share/man/man1
	install -m 644 README.md CHANGELOG.md config.example.yaml docs/*.md deploy/alerts.yaml deploy/grafana-dashboard.json $(ROOTED)/share/doc/ptrd
	cp -R examples/. $(ROOTED)/share/doc/ptrd/examples
	chmod -R u=rwX,go=rX $(ROOTED)/share/doc/ptrd
ifeq ($(DESTDIR),)
	systemd-sysusers $(PREFIX)/lib/sysusers.d/ptrd.conf || getent passwd ptrd >/dev/null || useradd --system --home-dir /var/lib/ptrd ptrd
	[ -d /etc/ptrd ] || install -d -m 2750 -g ptrd /etc/ptrd
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
endif

# The configuration, the state directory and the user stay.
uninstall:
	[ -n '$(DESTDIR)' ] || [ ! -d /run/systemd/system ] || systemctl disable --now ptrd.socket ptrd.service
	rm -rf $(addprefix $(ROOTED)/,$(INSTALLED))
	[ -n '$(DESTDIR)' ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload

# Reproducible: all files have the date of the commit. Without VERSION, packages of a later commit
# have a later version, and a release has a later one than all of them.
ARCHES ?= amd64 arm64
DIST   ?= dist
PACKAGE_VERSION = $(or $(VERSION:v%=%),0~$(SOURCE_DATE_EPOCH).$(shell git rev-parse --short=12 HEAD))
dist:
	rm -rf $(DIST)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(DIST)/work/ptrd ./cmd/ptrd
	$(MAKE) man MANDIR=$(DIST)/work/man
	set -e; for arch in $(ARCHES); do \
		work=$(DIST)/work/$$arch; mkdir -p $$work; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o $$work/ptrd ./cmd/ptrd; \
		$(MAKE) install PTRD=$(DIST)/work/ptrd MANDIR=$(DIST)/work/man BINARY=$$work/ptrd DESTDIR=$$work/root PREFIX=/usr; \
		gzip -9n $$work/root/usr/share/man/man1/*.1 $$work/root/usr/share/doc/ptrd/CHANGELOG.md; \
		chmod -R u=rwX,go=rX $$work/root; \
		find $$work/root -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} +; \
		for format in deb rpm; do \
			ARCH=$$arch VERSION=$(PACKAGE_VERSION) ROOT=$$work/root $(NFPM) package -f deploy/nfpm.yaml -p $$format -t $(DIST); \
		done; \
		name=ptrd-$(PACKAGE_VERSION)-linux-$$arch; \
		tar -C $$work/root/usr --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --transform "s|^\.|$$name|" -c . | gzip -n >$(DIST)/$$name.tar.gz; \
		$(CYCLONEDX) bin -json -noserial -notimestamp -version $(PACKAGE_VERSION) -output $(DIST)/$$name.cdx.json $$work/ptrd; \
	done
	rm -rf $(DIST)/work
	cd $(DIST) && sha256sum * >SHA256SUMS

PODMAN ?= podman
image:
	CGO_ENABLED=0 GOOS=linux $(GO) build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o $(DIST)/image/ptrd ./cmd/ptrd
	mkdir -p $(DIST)/image/state
	$(PODMAN) build --format docker -t ptrd -f deploy/Containerfile $(DIST)/image

# These need root, and what the scripts name.
test-package:
	.ci/package
test-image:
	.ci/image

# Git makes the secrets of the example readable for every user, which ptrd warns about.
run: build
	@chmod o-r config.example.yaml examples/*.key examples/*.secret
	@echo 'try:  $(DIG)'
	@echo '      $(DIG) +tcp'
	./ptrd serve --config config.example.yaml

# Tests that are skipped because a program is missing are listed at the end. The list has a
# new path each time, so that the results of skipped tests are not cached.
test:
	@list=$$(mktemp); trap 'rm -f '$$list EXIT; \
	PTRD_SKIPPED=$$list $(GO) test -timeout 20m ./...; status=$$?; \
	if [ -s $$list ]; then \
		echo 'skipped:'; \
		sort -u $$list | awk '{ at = index($$0, ": "); why = substr($$0, at + 2); tests[why] = tests[why] " " substr($$0, 1, at - 1) } \
			END { for (why in tests) print "  " why ":" tests[why] }' | sort; \
	fi; \
	exit $$status

# The tests of the benchmarks start servers and measure times; `make test` leaves them out.
test-bench:
	$(GO) test -tags bench ./bench/...

fmt:
	gofmt -l -w .

vet:
	$(GO) vet -tags bench ./...
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change these; run `make fmt`'; exit 1; }

race:
	$(GO) test -race -shuffle=on -count=2 ./...

# One target at a time, each with a worker per core; new crashes are in testdata/fuzz. A package
# is built once for all of its targets, which `go test -fuzz` does for each. Minimizing is limited,
# because it would take most of a short run. The fuzzer sometimes fails at the end of its time with
# its own deadline and without a failing input; then the run is repeated.
fuzz:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf '$$dir EXIT; cache=$$($(GO) env GOCACHE)/fuzz; \
	for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		$(GO) test -c -fuzz . -o $$dir/fuzz $$pkg; \
		path=$$($(GO) list $$pkg); targets=$$($$dir/fuzz -test.list '^Fuzz'); \
		for target in $$targets; do \
			echo "$$pkg $$target"; \
			for try in 1 2 3; do \
				if (cd $$pkg && $$dir/fuzz -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 100x -test.fuzzcachedir $$cache/$$path) >$$dir/log 2>&1; then \
					tail -n 2 $$dir/log; break; \
				fi; \
				if [ $$try = 3 ] || grep -q 'Failing input' $$dir/log || ! grep -q '^ *context deadline exceeded$$' $$dir/log; then cat $$dir/log; exit 1; fi; \
				echo 'the deadline of the fuzzer itself; once more'; \
			done; \
		done; \
	done

check: vet
	$(STATICCHECK) -tags bench ./...
	$(MAKE) race
	$(MAKE) fuzz

lint:
	$(GOLANGCI) run

bench:
	$(GO) test -tags bench -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(or $(PACKAGES),./bench) | tee $(OUT)

# Measurements of the whole, which write their part of docs/benchmarks.md.
bench-peers bench-growth bench-generators bench-instructions bench-updates bench-transfers bench-latency bench-route53 bench-ranges: build
	$(GO) run ./bench/run $(@:bench-%=%) $(FLAGS)

bench-floods: build
	$(GO) run ./bench/run floods -runs 3 -o docs/benchmarks.md $(FLAGS)

# Honest and hostile clients of every kind at the same time: for leaks and races, and for
# the latencies of the honest ones without and with the others, as paired medians.
MIXED ?= 10m
mixed-load:
	$(GO) test -race -count=1 -timeout 0 ./internal/daemon -run '^TestMixedLoad$$' -mixed $(MIXED) -v
bench-mixed:
	$(GO) test -count=1 -timeout 0 ./internal/daemon -run '^TestMixedLoad$$' -mixed $(MIXED) -mixed-pairs 15 -v

# What the tree sends against what the binary OTHER does, octet by octet; UPGRADE=-upgrade
# opens state directories that OTHER made.
compare: build
	@test -n '$(OTHER)' || { echo 'make compare OTHER=path/of/another/ptrd [UPGRADE=-upgrade] [FLAGS=…]'; exit 2; }
	$(GO) run ./bench/compare -this ./ptrd -other '$(OTHER)' $(UPGRADE) $(FLAGS)

# Benchmarks of REF and of the tree as it is, on this machine, compared.
benchcmp:
	@test -n '$(REF)' || { echo 'make benchcmp REF=main [BENCH=regexp] [COUNT=10]'; exit 2; }
	@set -e; dir=$$(mktemp -d); \
	trap 'git worktree remove --force '$$dir'/tree 2>/dev/null; rm -rf '$$dir EXIT; \
	git worktree add --quiet --detach $$dir/tree '$(REF)'; \
	(cd $$dir/tree && $(GO) test -tags bench -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(or $(PACKAGES),./...)) > $$dir/old.txt; \
	$(GO) test -tags bench -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(or $(PACKAGES),./...) > $$dir/new.txt; \
	$(BENCHSTAT) '$(REF)'=$$dir/old.txt now=$$dir/new.txt

cross:
	@set -e; for target in $(CROSS); do \
		echo "build for $$target"; \
		export CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/}; \
		$(GO) build -o /dev/null ./cmd/ptrd; \
		case ' $(CROSSVET) ' in *" $$target "*) $(GO) vet -tags bench ./... ;; esac; \
	done

# The packages whose arithmetic depends most on the size of int. An x86-64 kernel runs 32-bit
# tests without an emulator. Uses of package unsafe are checked, which the race detector does
# in other packages.
test-386:
	CGO_ENABLED=0 GOARCH=386 $(GO) test -short -gcflags=-d=checkptr ./zone ./zone/dname ./zone/infile ./zone/journal ./zone/synth ./zone/zonefile ./server/wire

# Root, arpa, a registry, a provider, a customer with ptrd, a resolver and a client, each in a
# network namespace. Needs iproute2, NSD, Knot DNS, BIND and unbound. The program is built, and
# not run by `go run`, so that signals reach it.
PROVIDER ?= bind
SCENARIO ?= base
lab: build
	@dir=$$(mktemp -d) && trap 'rm -rf '$$dir EXIT && $(GO) build -o $$dir/netlab ./internal/netlab/cmd && \
		$$dir/netlab -provider $(PROVIDER) -scenario $(SCENARIO)
lab-down:
	@$(GO) run ./internal/netlab/cmd down

clean:
	rm -rf ptrd dist
