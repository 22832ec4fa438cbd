"""The file of --log-config."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from scpd.errors import UsageError
from scpd.log.configfile import read_log_config
from tests.harness.forked import in_child
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (
    "log4cplus.rootLogger=INFO, A\nlog4cplus.appender.A=log4cplus::FileAppender\nlog4cplus.appender.A.File="
)


def test_a_file_is_read_with_its_variables(tmp_path: Path) -> None:
    path = tmp_path / "logger.cfg"
    path.write_text(TEXT + "${appname}-${hostname}-${pid}-${date}-${time}-${HOME}\n")
    moment = time.strftime("%Y%m%d")

    found = read_log_config(str(path), {"HOME": "h", "pid": "1"}, "/usr/sbin/storescp")

    name, host, pid, date, now, home = found.appenders["A"].properties["File"].split("-")
    assert (name, host, pid) == ("storescp", os.uname().nodename.partition(".")[0], str(os.getpid()))
    assert date in (moment, time.strftime("%Y%m%d"))
    assert len(now) == 6
    assert home == "h"
    assert found.program_name == "storescp"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode() + b"a\xc3\xa9", "aé"),
        (TEXT.encode() + b"a\xe9", "aé"),
        (TEXT.replace("\n", "\r\n").encode() + b"f\r\n", "f"),
    ],
)
def test_encodings_that_editors_leave(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "logger.cfg"
    path.write_bytes(content)
    assert read_log_config(str(path), {}, "scpd").appenders["A"].properties["File"] == name


@pytest.mark.parametrize("name", ["nope", "", "file/below", "nul\0"])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    for path in (str(tmp_path / name) if name else "", str(tmp_path)):
        with pytest.raises(UsageError, match=r"^Specified --log-config file does not exist$"):
            read_log_config(path, {}, "scpd")


def test_what_may_not_be_read(tmp_path: Path) -> None:
    require_root()
    path = tmp_path / "logger.cfg"
    path.write_text(TEXT)
    path.chmod(0)
    tmp_path.chmod(0o755)

    def life() -> str:
        os.chdir(tmp_path)  # folders above may be closed
        os.setgroups([])
        os.setgid(64999)
        os.setuid(64999)
        try:
            read_log_config("logger.cfg", {}, "scpd")
        except UsageError as refusal:
            return str(refusal)
        return "read"

    assert in_child(life) == "Specified --log-config file cannot be read"
