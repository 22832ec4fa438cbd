# make install      program, manual, units and examples below PREFIX; DESTDIR stands before every path, for packagers
# make uninstall    the reverse; files in SYSCONFDIR/scpd that were changed, and all data, stay

DESTDIR ?=
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/scpd
# "no" leaves byte code to a package's own scripts; nothing is compiled at run time.
COMPILE ?= yes

# A service wants the system's interpreter, not whichever comes first in somebody's PATH, unless it is named: PYTHON=...
SYSTEM_PYTHON = $(shell /usr/bin/python3 -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)
INTERPRETER = $(or $(if $(filter file,$(origin PYTHON)),$(SYSTEM_PYTHON)),$(PYTHON))
ABI = $(shell $(INTERPRETER) -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
PACKAGES = build/packages-$(ABI)
INSTALL = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' DOCDIR='$(DOCDIR)' \
  COMPILE='$(COMPILE)' INTERPRETER='$(INTERPRETER)' PACKAGES='$(PACKAGES)' sh install/install.sh

.PHONY: packages install uninstall

packages:
	@test '$(PACKAGES)' -nt pyproject.toml && test '$(PACKAGES)' -nt install/packages.py || \
	  { $(MAKE) -s --no-print-directory .venv/bin/python && $(BIN)/python install/packages.py '$(INTERPRETER)' '$(PACKAGES)'; }

install: packages
	@$(INSTALL) install

uninstall:
	@$(INSTALL) uninstall
