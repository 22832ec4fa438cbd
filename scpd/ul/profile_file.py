"""The file that --config-file names: read, and its errors told to the administrator."""

from __future__ import annotations

from scpd.errors import StartError
from scpd.ul.escape import printable
from scpd.ul.profiles import ProfileError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.ul.asconfig import Fault
    from scpd.ul.profiles import Config, Profile


def load_profile(path: str, name: str) -> Profile:
    """Give a profile to negotiate by; raises `StartError` with storescp's text, and where it is in the file."""
    try:
        config = _read(path)
    except OSError as error:
        raise StartError(f"cannot read config file: {_unreadable(path, error)}") from None
    if config.faults:
        others = len(config.faults) - 1
        more = f" (and {others} more)" if others else ""
        raise StartError(f"cannot read config file: {_located(path, config.faults[0])}{more}")
    try:
        return config.profile(name)
    except ProfileError as error:
        raise StartError(str(error)) from None


def check_profile(path: str, name: str) -> list[str]:
    """Give everything that is wrong with a file and a profile in it, one line each, in the order of the file."""
    try:
        config = _read(path)
    except OSError as error:
        return [_unreadable(path, error)]
    faults = config.faults
    if not faults:
        try:
            config.profile(name)
        except ProfileError as error:
            faults = [error.fault]
    return [_located(path, fault) for fault in sorted(faults, key=lambda fault: fault.line)]


def _read(path: str) -> Config:
    with open(path, "rb") as file:
        return parse(file.read().decode("latin-1"))


def _unreadable(path: str, error: OSError) -> str:
    return f"unable to open configuration file: {printable(path)} ({error.strerror})"


def _located(path: str, fault: Fault) -> str:
    place = f"{printable(path)}:{fault.line}" if fault.line else printable(path)
    return f"{place}: {fault.text}"
