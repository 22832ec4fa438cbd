"""The file of `--log-config`: found, read once, and understood by `log4cplus`."""

from __future__ import annotations

import os
import stat
import time

from scpd.errors import UsageError
from scpd.log import log4cplus
from scpd.log.properties import Variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.log.configuration import Configuration


def read_log_config(path: str, environ: Mapping[str, str], program_name: str) -> Configuration:
    """Read the file; `UsageError` if that cannot be done, with storescp's text.

    Of `program_name`, the word by which we were called, the last part is `${appname}`.
    """
    program_name = os.path.basename(program_name)
    return log4cplus.read(_text(path), Variables(_predefined(program_name), environ), program_name)


def _text(path: str) -> str:
    try:
        is_there = not stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        raise UsageError("Specified --log-config file does not exist")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        raise UsageError("Specified --log-config file cannot be read") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _predefined(program_name: str) -> dict[str, str]:
    """Give the variables that every file has, as of now."""
    now = time.localtime()
    return {
        "appname": program_name,
        "hostname": os.uname().nodename.partition(".")[0],
        "pid": str(os.getpid()),
        "date": time.strftime("%Y%m%d", now),
        "time": time.strftime("%H%M%S", now),
    }
