# The two commands that matter:
#   go run ./cmd/mailstead try     a mail server to play with, on loopback only
#   make test                      every check there is; installs the tools it needs where it may

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 2s
CRASH_ROUNDS ?= 100

.PHONY: backup-test references release reproducible package-test image-test build test tools lint unit fuzz try-check reliability crash bad-peers scale tls-audit soak bench web web-check browser screenshots compare

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o mailstead ./cmd/mailstead

test: tools lint unit fuzz try-check web-check browser

# The peers that the end-to-end tests talk to, a browser, and Node.js for the pages.
tools:
	.ci/tools

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...

unit:
	GO="$(GO)" .ci/unit

# A short run of every fuzz target.
fuzz:
	FUZZTIME=$(FUZZTIME) GO="$(GO)" .ci/fuzz

# The README's run command starts, says how to connect, and mail flows.
try-check:
	GO="$(GO)" .ci/try-check

# The long forms of what `make unit` tries in short: docs/reliability.md says
# what came out. Each is for a machine that does nothing else meanwhile.
reliability: crash bad-peers scale

# Nothing is lost: kill -9 and power cuts again and again, full and failing
# disks, torn databases.
crash:
	MAILSTEAD_LONG=1 MAILSTEAD_CRASH_ROUNDS=$(CRASH_ROUNDS) $(GO) test -count=1 -timeout 120m -parallel 1 -v \
		-run 'Crash|Disk|Torn|Fail|Recover|SetAside|Reserve|Power' ./mailbox/store/... ./cmd/mailstead

# Peers that break every rule, in crowds, beside a normal client.
bad-peers:
	MAILSTEAD_LONG=1 $(GO) test -count=1 -timeout 120m -parallel 1 -v -run 'TestBad|TestInjected|TestCutOff|TestIdle|TestResting' ./cmd/mailstead

# testssl.sh with all its tests at every port that speaks TLS, with a certificate
# of a CA for tests. It fails on what is above LOW.
tls-audit: tools
	MAILSTEAD_LONG=1 MAILSTEAD_PEERS=required $(GO) test -count=1 -timeout 120m -v -run TestServeWithACME ./cmd/mailstead

# A million messages, a thousand accounts, imports of 200,000, a move from Dovecot.
scale:
	MAILSTEAD_LONG=1 $(GO) test -count=1 -timeout 120m -parallel 1 -v -run 'TestScale|TestImportDovecot' ./cmd/mailstead

# A backup of a server that takes mail all the while, the disk wiped, everything
# restored and held against what was acknowledged; restores from SFTP and S3;
# backups that are damaged, cut off or of another key.
backup-test:
	MAILSTEAD_LONG=1 $(GO) test -count=1 -timeout 60m -parallel 1 -v -run 'TestBackup|TestRestore|TestBringBack' ./cmd/mailstead
	$(GO) test -count=1 -v ./admin/backup/...

# Half an hour of mixed load while the server is reloaded, gets new certificates
# and makes backups over and over: no operation may fail, and nothing may grow.
# MAILBENCH names the load tool.
SOAK ?= 30m
soak:
	@test -n "$(MAILBENCH)" || { echo "make soak MAILBENCH=path/to/mailbench"; exit 2; }
	MAILSTEAD_LONG=1 MAILSTEAD_SOAK=$(SOAK) MAILBENCH=$(MAILBENCH) $(GO) test -count=1 -timeout 180m -v -run 'TestSoak$$' ./cmd/mailstead

# The reference pages of docs/, from the program itself; a test fails where they differ.
references:
	$(GO) run ./cmd/mailstead manual references docs

# Packages, archives, SBOM and SHA256SUMS for linux on amd64 and arm64, in dist/.
release:
	GO="$(GO)" packaging/release dist

# Builds the release twice and compares the two bit by bit.
reproducible:
	GO="$(GO)" packaging/reproducible

# The deb in a clean Debian that boots with systemd: install, set up, mail,
# upgrade, remove, purge. As root, with debootstrap and systemd-nspawn.
package-test:
	GO="$(GO)" packaging/test/run

# The image in a container: not as root, read-only, one volume. As root, with buildah and podman.
image-test:
	GO="$(GO)" packaging/test/image

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Beside Postfix and Dovecot, on this computer: MAILBENCH names the load tool.
# Half an hour; RESULTS gets the raw figures and the tables of docs/benchmarks.md.
RESULTS ?= bench-results
compare: build
	@test -n "$(MAILBENCH)" || { echo "make compare MAILBENCH=path/to/mailbench"; exit 2; }
	MAILBENCH=$(MAILBENCH) MAILSTEAD=./mailstead packaging/bench/compare $(RESULTS)

# Node.js, from wherever it comes.
NODE = PATH="$$(.ci/node --path):$$PATH"

# The pages. What they are built into is committed, so that nothing else here needs Node.
web:
	$(NODE) sh -ec 'cd webadmin && npm ci --ignore-scripts --no-fund --no-audit && npm run types && npm run check && npm test && npm run build'

# The committed pages are what their source gives.
web-check: web
	@out=$$(git status --porcelain -- webadmin/dist webadmin/src/api/schema.d.ts); test -z "$$out" || { echo "webadmin/dist or schema.d.ts is not what the source gives; commit what \`make web\` made:"; echo "$$out"; exit 1; }

# A browser drives the real program through the console, the account pages and the wizard.
browser:
	$(NODE) sh -ec 'cd webadmin && { [ -d node_modules ] || npm ci --ignore-scripts --no-fund --no-audit; } && npm run e2e'

# Takes the pictures of docs/screenshots and docs/first-run.md anew.
screenshots:
	$(NODE) sh -ec 'cd webadmin && { [ -d node_modules ] || npm ci --ignore-scripts --no-fund --no-audit; } && MAILSTEAD_SCREENSHOTS=1 npm run e2e -- screenshots first-run certificates dns-apply'
