# make run          a receiver on PORT that stores into INBOX
# make test         style, types and tests; make test-long: the tests at full size
# make bench        scpd and its peers side by side
# make fuzz         hostile bytes for all that reads them, for SECONDS (60); TARGET=, SEED= (python -m tests.fuzz -h)
# make soak         daemons, plain and TLS, under load, reloads and kills, for MINUTES (30); SEED= (python -m tests.soak -h)
# make lint         style and types only
# make install      install it (PREFIX=, DESTDIR=), make deb: a Debian package; see install/install.mk
# make clean        remove what make made (never an inbox)

# A service wants the system's interpreter where it is new enough, not whichever comes first in somebody's PATH, and so it is
# tested, measured and run here with that.  (Distributions compile theirs with profiles; one without, as version managers
# build it, is slower in all that is measured.)
SYSTEM_PYTHON := $(shell /usr/bin/python3 -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)
PYTHON ?= $(or $(SYSTEM_PYTHON),python3)
PORT ?= 11112
INBOX ?= inbox
SECONDS ?= 60
TARGET ?= all
MINUTES ?= 30

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# By a path: the import hook of the other way costs every start 35 modules, and every fork 2 MB.
EDITABLE := --config-settings editable_mode=compat --editable
# command:Debian package, real peers and tools of the tests (pynetdicom too has a storescp: it is no sign of dcmtk)
TOOLS := dcmsend:dcmtk gdcmscu:libgdcm-tools mandoc:mandoc strace:strace logrotate:logrotate systemd-analyze:systemd \
  tcpdmatch:tcpd dh:debhelper dh:python3-venv lintian:lintian debootstrap:debootstrap systemd-nspawn:systemd-container \
  mkfs.btrfs:btrfs-progs
# Super-servers, which as packages conflict with one another and would serve this machine: unpacked, not installed.
SUPERSERVERS := xinetd openbsd-inetd
SUPERSERVERS_NEED := libbsd0 libevent-2.1-7 libselinux1 libsystemd0 libtirpc3 libwrap0
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0

# One more than processors: half of its time a test waits for a clock or for a disk.  Whoever has no more to do takes
# from the others, since a test of servers takes a hundred times as long as one of a codec.
PYTEST = $(BIN)/pytest -n $$(( $$(nproc) + 1 )) --dist worksteal

.PHONY: run test test-long bench fuzz soak lint clean tools
.NOTPARALLEL:

run: .venv/.run
	@mkdir -p '$(INBOX)'
	@echo 'storing into $(INBOX); send to it with: storescu localhost $(PORT) +sd +r FOLDER' \
	  'or $(BIN)/scpctl send localhost $(PORT) FOLDER'
	@exec $(BIN)/scpd --fork -v -od '$(INBOX)' $(PORT)

test: lint tools .venv/unpacked packages
	$(PYTEST)

test-long: lint tools .venv/unpacked packages test-root
	SCPD_TEST_ROOT='$(TEST_ROOT)' $(PYTEST) --long

bench: .venv/.dev tools
	@$(BIN)/python -m bench

fuzz: .venv/.dev
	@$(BIN)/python -m tests.fuzz --seconds '$(SECONDS)' --target '$(TARGET)' $(if $(SEED),--seed '$(SEED)')

soak: .venv/.dev tools
	@$(BIN)/python -m tests.soak --minutes '$(MINUTES)' $(if $(SEED),--seed '$(SEED)')

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict scpd

# A new venv on Debian needs a package that a bare python3 does not bring; without it another python3 will do.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'scpd needs Python 3.11 or newer; say which: make PYTHON=...' >&2; exit 1; }
	@python='$(PYTHON)'; \
	can() { $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	can || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && $(APT) update && \
	    $(APT) install -y --no-install-recommends python3-venv >/dev/null && can; } || \
	  { python='$(if $(filter file,$(origin PYTHON)),python3,$(PYTHON))'; can; } || \
	  { echo 'missing: venv (on Debian: apt-get install python3-venv)' >&2; exit 1; }; \
	$$python -m venv .venv

.venv/.run: pyproject.toml | .venv/bin/python
	@$(PIP) install $(EDITABLE) .
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	@$(PIP) install $(EDITABLE) '.[dev]'
	@touch .venv/.run $@

# As root on Debian what is missing is installed; elsewhere it is named, and the tests that need it are skipped.
tools:
	@missing=; for tool in $(TOOLS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v "$${tool%%:*}" >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	test -n "$$missing" || exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  echo "installing:$$missing"; \
	  $(APT) update && $(APT) install -y --no-install-recommends $$missing >/dev/null && exit 0; \
	fi; \
	echo "missing:$$missing; the tests that need them will be skipped"

.venv/unpacked: | .venv/bin/python
	@if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  echo 'unpacking: $(SUPERSERVERS)'; \
	  $(APT) update && $(APT) install -y --no-install-recommends $(SUPERSERVERS_NEED) >/dev/null && \
	  rm -rf $@.new && mkdir $@.new && cd $@.new && $(APT) -o APT::Sandbox::User=root download $(SUPERSERVERS) && \
	  for package in *.deb; do dpkg-deb -x $$package . || exit 1; done && cd "$$OLDPWD" && mv $@.new $@; \
	else \
	  echo 'missing: $(SUPERSERVERS); the tests that need them will be skipped'; \
	fi

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find scpd tests bench -name __pycache__ -type d -exec rm -rf {} +

include install/install.mk
