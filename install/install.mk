# make install      program, manual, units and examples below PREFIX; DESTDIR stands before every path, for packagers
# make uninstall    the reverse; files in SYSCONFDIR/scpd that were changed, and all data, stay
# make deb          a Debian package, in PACKAGE_DIR
# make test-deb     install, start, upgrade, remove and purge it in a container, as root on Debian

DESTDIR ?=
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/scpd
# "no" leaves byte code to a package's own scripts; nothing is compiled at run time.
COMPILE ?= yes
PACKAGE_DIR ?= build

ABI = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
PACKAGES = build/packages-$(ABI)
INSTALL = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' DOCDIR='$(DOCDIR)' \
  COMPILE='$(COMPILE)' INTERPRETER='$(PYTHON)' PACKAGES='$(PACKAGES)' sh install/install.sh

# In a copy, with the libraries that there are: building leaves its traces in the source.
SOURCES := CHANGELOG.md LICENSE Makefile README.md SECURITY.md debian etc inetd install man pyproject.toml scpd systemd
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' scpd/__init__.py)
COPY = $(PACKAGE_DIR)/deb/scpd-$(VERSION)
# A minimal Debian like this one, for the container; remove it to have it made anew.
TEST_ROOT ?= /var/cache/scpd-tests/$(shell . /etc/os-release 2>/dev/null; echo $$VERSION_CODENAME)

.PHONY: packages install uninstall deb test-deb test-root

packages:
	@test '$(PACKAGES)' -nt pyproject.toml && test '$(PACKAGES)' -nt install/packages.py || \
	  { $(MAKE) -s --no-print-directory .venv/bin/python && $(BIN)/python install/packages.py '$(PYTHON)' '$(PACKAGES)'; }

install: packages
	@$(INSTALL) install

uninstall:
	@$(INSTALL) uninstall

deb: packages
	@for tool in dpkg-buildpackage dh; do command -v $$tool >/dev/null || \
	  { echo "missing: $$tool (on Debian: apt-get install dpkg-dev debhelper)" >&2; exit 1; }; done
	@rm -rf '$(PACKAGE_DIR)/deb' && mkdir -p '$(COPY)'
	@tar -cf - --exclude=__pycache__ $(SOURCES) | tar -xf - -C '$(COPY)' --no-same-owner
	@mkdir '$(COPY)/build' && cp -Rp '$(PACKAGES)' '$(COPY)/build/'
	@cd '$(COPY)' && env -u MAKEFLAGS -u MFLAGS dpkg-buildpackage --build=binary --no-sign >../log 2>&1 || { tail -n 40 ../log >&2; exit 1; }
	@mv '$(PACKAGE_DIR)'/deb/*.deb '$(PACKAGE_DIR)/' && ls '$(PACKAGE_DIR)'/scpd_'$(VERSION)'_*.deb

test-deb: tools packages test-root .venv/.dev
	SCPD_TEST_ROOT='$(TEST_ROOT)' $(BIN)/pytest --long tests/system/test_package.py

test-root:
	@test ! -d '$(TEST_ROOT)' && test "$$(id -u)" = 0 && command -v debootstrap >/dev/null || exit 0; \
	echo 'making $(TEST_ROOT)'; rm -rf '$(TEST_ROOT).new' && mkdir -p '$(TEST_ROOT).new' && \
	debootstrap --variant=minbase --include=python3,systemd,systemd-sysv,logrotate '$(notdir $(TEST_ROOT))' \
	  '$(TEST_ROOT).new' >'$(TEST_ROOT).log' 2>&1 && mv '$(TEST_ROOT).new' '$(TEST_ROOT)' || tail -n 5 '$(TEST_ROOT).log'
