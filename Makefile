# Strata: make help

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO     ?= go
GOARCH ?= $(shell $(GO) env GOARCH)
CLANG  ?= clang

PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR   = $(PREFIX)/bin
LIBEXEC  = $(PREFIX)/libexec/strata
DATADIR  = $(PREFIX)/share/strata
MANDIR   = $(PREFIX)/share/man
# Podman's hook files have a directory of their own, because CRI-O does not start when it finds one with a precreate stage.
PODMAN_HOOKS = $(PREFIX)/share/strata/hooks.d
CRIO_HOOKS   = /usr/share/containers/oci/hooks.d
# Hook files for all containers, which a policy with a default or with bindings needs: to be named in the engine's configuration.
ALWAYS_HOOKS = $(PREFIX)/share/strata/hooks-always.d

VERSION := 0.1.0
COMMIT  := $(shell git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)
STAMP   := -X strata/internal/version.Version=$(VERSION) -X strata/internal/version.Commit=$(COMMIT)
# All programs are static. Those that compile and prove filters have libseccomp linked in; those that run with every
# container do without, since a program with C code takes longer to start.
HOOKS   := ./cmd/strata-hook ./cmd/strata-runtime
PROVERS := ./cmd/strata ./cmd/strata-prove
BUILD_HOOKS   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w $(STAMP)'
BUILD_PROVERS := CGO_ENABLED=1 $(GO) build -trimpath -tags netgo,osusergo -ldflags '-s -w $(STAMP) -linkmode external -extldflags -static'

.PHONY: help
help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binaries into ./bin
	@mkdir -p bin
	$(BUILD_HOOKS) -o bin/ $(HOOKS)
	$(BUILD_PROVERS) -o bin/ $(PROVERS)

.PHONY: deps demo-deps
deps: ## install what building, the demo and the tests need (Debian, Ubuntu, Fedora)
	@test/install-packages test/demo/packages.txt test/packages.txt
demo-deps:
	@test/install-packages test/demo/packages.txt

.PHONY: generate
generate: ## make the generated files again: BPF objects, system call tables, manual pages
	$(GO) generate ./...

.PHONY: check-generated
check-generated: generate ## fail if the generated files are not what is checked in
	@git diff --exit-code --stat || { echo 'generated files differ from what is checked in: run make generate and commit'; exit 1; }

.PHONY: install install-podman install-crio install-bin uninstall
install-bin: build
	install -D -m 0755 -t $(DESTDIR)$(BINDIR) bin/strata
	install -D -m 0755 -t $(DESTDIR)$(LIBEXEC) bin/strata-hook bin/strata-runtime bin/strata-prove
	ln -sf strata-runtime $(DESTDIR)$(LIBEXEC)/strata-runc
	ln -sf strata-runtime $(DESTDIR)$(LIBEXEC)/strata-crun
	install -D -m 0644 -t $(DESTDIR)$(DATADIR)/profiles/base profiles/base/runc.json profiles/base/crun.json
	install -D -m 0644 -t $(DESTDIR)$(DATADIR)/profiles/app $(filter-out %.recorded.json,$(wildcard profiles/app/*.json))
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man1 docs/*.1
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man5 docs/*.5
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man8 docs/*.8

# hook-files FROM TO: put hook files in place with the path of the installed binary in them
define hook-files
install -d $(DESTDIR)$(2)
for file in $(1)/*.json; do \
	sed 's|@LIBEXEC@|$(LIBEXEC)|g' "$$file" > "$(DESTDIR)$(2)/$$(basename "$$file")"; \
done
endef

install: install-podman ## install for Podman (PREFIX, DESTDIR)
install-podman: install-bin
	$(call hook-files,hooks.d/podman,$(PODMAN_HOOKS))
	$(call hook-files,hooks.d/podman-always,$(ALWAYS_HOOKS)/podman)
	@echo 'Now name the directory in /etc/containers/containers.conf:'
	@echo '[engine]'
	@echo 'hooks_dir = ["/usr/share/containers/oci/hooks.d", "$(PODMAN_HOOKS)"]'

install-crio: install-bin ## install for CRI-O and others that read the default hooks directory
	$(call hook-files,hooks.d/crio,$(CRIO_HOOKS))
	$(call hook-files,hooks.d/crio-always,$(ALWAYS_HOOKS)/crio)

uninstall: ## remove what install and install-crio have put in place
	rm -f $(DESTDIR)$(BINDIR)/strata
	rm -rf $(DESTDIR)$(LIBEXEC) $(DESTDIR)$(DATADIR)
	rm -f $(addprefix $(DESTDIR)$(CRIO_HOOKS)/,$(notdir $(wildcard hooks.d/crio/*.json)))
	rm -f $(foreach n,1 5 8,$(addprefix $(DESTDIR)$(MANDIR)/man$(n)/,$(notdir $(wildcard docs/*.$(n)))))

.PHONY: demo
demo: demo-deps build ## record a real container, enforce the profile, show what it refuses
	@test/demo/run

.PHONY: test test-full
test: deps ## run all tests with the real engines (root)
	$(GO) test -count=1 -timeout 40m ./...

test-full: deps ## the same with the long repetitions (about an hour)
	STRATA_FULL=1 $(GO) test -count=1 -timeout 180m ./...

.PHONY: bench
bench: deps build ## measure what hooks and system calls cost, in pairs; writes bench.json
	$(GO) run ./test/bench -json bench.json

.PHONY: bases
bases: deps ## measure again what the runtimes need (profiles/base)
	STRATA_MEASURE=20 $(GO) test -count=1 -timeout 120m -run TestMeasure ./test/runtimebase

.PHONY: apps
apps: deps ## record the profiles of well-known servers again (profiles/app)
	STRATA_APPS=8 $(GO) test -count=1 -timeout 180m -run TestRecord ./test/apps

.PHONY: vet
vet: ## gofmt and go vet
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-clean: $$unformatted"; exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet $(HOOKS) ./internal/recorder ./internal/recording

.PHONY: lint
lint: vet ## the same and golangci-lint
	golangci-lint run

.PHONY: clean
clean: ## remove what was built
	rm -rf bin bench.json
