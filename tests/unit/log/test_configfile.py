"""The file of --log-config."""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path

import pytest

from scpd.errors import UsageError
from scpd.log.configfile import read_log_config
from scpd.log.log4cplus import read
from scpd.log.properties import Variables
from scpd.log.setup import LogPolicy, configure
from tests.harness.forked import in_child
from tests.harness.wrapped import require_root

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


EXAMPLE = Path(__file__).parents[3] / "etc" / "logger.cfg"


def test_our_example_is_understood_and_shows_what_it_says(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("/var/log/scpd", str(tmp_path))
    (tmp_path / "logger.cfg").write_text(text)

    def life() -> list[object]:
        os.dup2(os.open(tmp_path / "stderr", os.O_WRONLY | os.O_CREAT), 2)
        logging.getLogger().handlers.clear()
        found = read_log_config(str(tmp_path / "logger.cfg"), {}, "scpd")
        settings = configure(LogPolicy("warn", found))
        settings.association.begin("192.0.2.1")
        settings.association.calling_aet = "MODALITY"
        logging.getLogger("dcmtk.apps.storescp").warning("text")
        return [
            [str(complaint) for complaint in found.complaints],
            settings.association.id,
            found.progress_level,
        ]

    complaints, association, progress_level = in_child(life)

    assert (complaints, progress_level) == ([], "warn")
    assert (tmp_path / "stderr").read_text() == f"W: [{association}] text\n"
    line = rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} WARN  \[\d+ {association}\] MODALITY@192\.0\.2\.1: text\n"
    assert re.fullmatch(line, (tmp_path / "scpd.log").read_text())


def test_what_our_example_offers_in_comments_is_understood_too() -> None:
    text = re.sub(r"^#log4cplus", "log4cplus", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert read(text, Variables({}, {}), "scpd").complaints == []
