"""What the command line says about itself: usage, version, and the form of its error messages.

Layout and the words of the frame are storescp's, so that scripts which look at them find what they look for.
Texts end with a line feed.
"""

from __future__ import annotations

from scpd import __version__
from scpd.cli import options

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.cli.rows import Argument, Option, Section

# The columns of --help.
_TEXT_COLUMN = 33
_LONG_WIDTH = 21
_INDENT = 2

_KIND_WORDS = {
    "string": "string",
    "uint": "integer",
    "sint": "integer",
    "timeout": "integer",
    "size": "integer",
    "level": "string constant",
    "directory": "string",
    "address": "string",
    "profile": "string",
    "choice": "string constant",
    "aetitle": "string",
    "caller": "string",
    "umask": "octal",
}
# The names of their distributions.
_LIBRARIES = ("pydicom", "pynetdicom", "python-daemon", "setproctitle", "pyOpenSSL")


def identification(program_name: str) -> str:
    """Return the line that names program and version, without line feed."""
    return f"$scpd: {program_name} v{__version__} $"


def error_text(program_name: str, text: str) -> str:
    """Return what stderr gets when the command line is wrong."""
    return f"{_head(program_name)}error: {text}\n"


def usage(program_name: str) -> str:
    """Return the text of --help."""
    lines = [
        f"usage: {program_name} [options] [{options.PORT_NAME}]",
        "",
        "parameters:",
        f"  {options.PORT_NAME}".ljust(_TEXT_COLUMN) + options.PORT_HELP,
        "",
    ]
    group = ""
    for section in options.SECTIONS:
        if section.group != group:
            group = section.group
            lines.append(f"{group}:")
        lines += _section_lines(section)
    return _head(program_name) + "\n".join(lines) + "\n\n"


def version(program_name: str) -> str:
    """Return the text of --version: host, encoding of names, and the libraries as they are installed here."""
    # Imported here: only --version wants to know.
    import os
    import sys

    host = os.uname()
    python = ".".join(map(str, sys.version_info[:3]))
    lines = [
        "",
        f"Host type: {host.machine} {host.sysname}",
        f"Character encoding: {sys.getfilesystemencoding()}",
        "",
        "External libraries used:",
        f"- Python {python}",
        *(f"- {name} {installed}" for name in _LIBRARIES if (installed := _installed_version(name))),
    ]
    return _head(program_name) + "\n".join(lines) + "\n"


def listing(program_name: str, text: str) -> str:
    """Return the text of a list, such as that of --list-ciphers."""
    return f"{_head(program_name)}\n{text}"


def _head(program_name: str) -> str:
    return f"{identification(program_name)}\n\n{program_name}: DICOM storage (C-STORE) SCP\n"


def _installed_version(name: str) -> str:
    # Imported here: it takes 20 ms, and only --version needs it.
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _section_lines(section: Section) -> list[str]:
    depth = 1
    lines = []
    if section.subgroup:
        depth = 2
        lines.append(f"{' ' * _INDENT}{section.subgroup}:")
    for option in section.options:
        lines += _option_lines(option, depth * _INDENT)
    return lines


def _option_lines(option: Option, indent: int) -> list[str]:
    short_width = _TEXT_COLUMN - 2 * 2 - _LONG_WIDTH - indent
    names = f"{' ' * indent}{option.short.ljust(short_width)}  {option.long.ljust(_LONG_WIDTH)}  "
    first, *others = _texts(option)
    if len(names) > _TEXT_COLUMN:  # none of storescp's; the text begins below the name
        first, others = "", [first, *others]
        names = names.rstrip()
    return [(names + first).rstrip(), *(" " * _TEXT_COLUMN + text for text in others)]


def _texts(option: Option) -> list[str]:
    texts = option.help.split("\n")
    if option.by_default:
        texts[-1] += " (default)"
    if not option.arguments:
        return texts
    values = _values(option.arguments)
    if not option.default_text:
        return [values, *texts]
    default = f" (default: {option.default_text})"
    # A default stands behind the kind, unless a range or the levels stand there.
    if values.endswith(")") or option.arguments[0].kind in {"level", "choice"}:
        return [values, *texts[:-1], texts[-1] + default]
    return [values + default, *texts]


def _values(arguments: tuple[Argument, ...]) -> str:
    names = ", ".join(f"[{argument.name[0]}]{argument.name[1:]}" for argument in arguments)
    last = arguments[-1]
    bounds = f" ({last.low}..{last.high})" if last.high is not None else ""
    return f"{names}: {_KIND_WORDS[last.kind]}{bounds}"


ANSWERS: dict[str, Callable[[str], str]] = {"--help": usage, "--version": version}
