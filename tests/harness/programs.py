"""The real programs that tests run: found, or the test is skipped and says what is missing."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

DEBIAN_PACKAGES = {
    "btrfs": "btrfs-progs",
    "dcmdump": "dcmtk",
    "dcmsend": "dcmtk",
    "dh": "debhelper",
    "dpkg-buildpackage": "dpkg-dev",
    "dpkg-checkbuilddeps": "dpkg-dev",
    "dpkg-deb": "dpkg",
    "echoscu": "dcmtk",
    "gdcmscu": "libgdcm-tools",
    "inetd": "openbsd-inetd",
    "lintian": "lintian",
    "logrotate": "logrotate",
    "mandoc": "mandoc",
    "mkfs.btrfs": "btrfs-progs",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "openssl": "openssl",
    "storescp": "dcmtk",
    "storescu": "dcmtk",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "systemd-nspawn": "systemd-container",
    "systemd-socket-activate": "systemd",
    "systemd-sysusers": "systemd",
    "systemd-tmpfiles": "systemd",
    "tcpdmatch": "tcpd",
    "xinetd": "xinetd",
}
# Of packages that conflict with one another, or would start a service: see the Makefile.
UNPACKED = os.path.join(sys.prefix, "unpacked", "usr", "sbin")


def real_program(name: str) -> str:
    """Give the path of a program outside our own environment, where pynetdicom has namesakes of DCMTK's."""
    own = {
        os.path.realpath(folder)
        for folder in (os.path.dirname(sys.executable), os.path.join(sys.prefix, "bin"))
    }
    folders = [folder for folder in os.get_exec_path() if os.path.realpath(folder) not in own]
    path = shutil.which(name, path=os.pathsep.join([*folders, "/usr/sbin", "/sbin", UNPACKED]))
    if not path:
        pytest.skip(f"{name} is not installed (Debian: {DEBIAN_PACKAGES.get(name, name)})")
    return path
