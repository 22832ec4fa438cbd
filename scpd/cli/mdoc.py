"""The manual page scpd(8): a frame written by hand, and in it the options as the table has them.

    python -m scpd.cli.mdoc

writes `man/scpd.8` from `man/scpd.8.in`, whose one line `@OPTIONS@` becomes a list for each section of the table:
names, arguments, the text of --help as a sentence, default, range, and which other options an option forbids or
needs.  The language is mdoc(7).  Run by hand; nobody else imports this.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scpd.cli import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpd.cli.rows import Argument, Option, Section

MANUALS = Path(__file__).resolve().parents[2] / "man"
FRAME, PAGE = MANUALS / "scpd.8.in", MANUALS / "scpd.8"
MARK = "@OPTIONS@\n"

# What mdoc would read as a macro or as punctuation where a word is meant.
_MACRO = re.compile(r"%[A-Z]|[A-Z][a-z0-9]|[.,:;()\[\]?!|]")
_DASHES = re.compile(r"(?<![\w-])--?(?=\w)", re.ASCII)
_RELATION = re.compile(r"\s*\((?:not|only) with -[^)]*\)")
_IN_PARENTHESES = re.compile(r"\((.*?)\) (.+)", re.DOTALL)


def page(frame: str) -> str:
    """Return the manual page of a frame; ValueError unless it has its mark once."""
    before, mark, behind = frame.partition(MARK)
    if not mark or MARK in behind:
        raise ValueError(f"the frame must have the line {MARK.strip()} once")
    return before + options_text(options.SECTIONS) + behind


def options_text(sections: Iterable[Section]) -> str:
    """Return the lists of these sections; a heading stands before each group and each part of one."""
    lines: list[str] = []
    group = ""
    for section in sections:
        if section.group != group:
            group = section.group
            lines.append(f".Ss {_words(group)}")
        else:
            lines.append(".Pp")
        if section.subgroup:
            lines.append(f"{_prose(_capital(section.subgroup))}:")
        lines.append(".Bl -tag -width Ds")
        for option in section.options:
            lines += _item(option)
        lines.append(".El")
    return "".join(f"{line}\n" for line in lines)


def _item(option: Option) -> list[str]:
    names = " , ".join(_name(name) for name in (option.short, option.long) if name)
    # Of two arguments one must see where the first ends.
    arguments = "".join(f" Ar {_words(argument.name.replace(' ', '-'))}" for argument in option.arguments)
    return [f".It {names}{arguments}", *_description(option)]


def _description(option: Option) -> list[str]:
    text = option.help
    if option.conflicts or option.needs:
        text = _RELATION.sub("", text)  # the lines below say it, and with all the names
    lines = [f"{_prose(_sentence(text))}."]
    for argument in option.arguments:
        lines += _limits(argument)
    if option.default_text:
        lines += [f"The default is {_prose(option.default_text)}."]
    if option.by_default and "(default)" not in option.help:
        lines.append("This is the default.")
    if option.adds_up and "repeated" not in option.help:
        lines.append("May be repeated.")
    return [*lines, *_relations(option)]


def _relations(option: Option) -> list[str]:
    lines = []
    if option.conflicts:
        lines += ["Not with", *_listed(tuple(name for others in option.conflicts for name in others))]
    for others in option.needs:
        lines += ["Only with", *_listed(others)]
    return lines


def _limits(argument: Argument) -> list[str]:
    choices = argument.choices
    if choices:
        return [f"One of {', '.join(choices[:-1])} and {choices[-1]}."]
    # A timeout's bound of -1 has a meaning of its own, and is not the least number of seconds.
    if argument.high is not None:
        return [f"From {argument.low or 0} to {argument.high}."]
    return [f"At least {argument.low}."] if (argument.low or 0) > 0 else []


def _sentence(help_text: str) -> str:
    """Return a text of --help as a sentence without its full stop; choices that stand before it come last."""
    text = help_text.replace("\n", " ")
    first = _IN_PARENTHESES.fullmatch(text)
    if first:
        text = f"{first[2]} ({first[1]})"
    return _capital(text)


def _listed(names: tuple[str, ...]) -> list[str]:
    """Return a line for each name, with its punctuation: `A ,`, `B`, `or`, `C .`."""
    *others, last = names
    lines = [f".{_name(name)} ," for name in others]
    if others:
        lines[-1] = lines[-1].removesuffix(" ,")
        lines.append("or")
    return [*lines, f".{_name(last)} ."]


def _name(name: str) -> str:
    """Return the macro of an option; `Fl` has the first dash.  What is none is a condition in words."""
    if name.startswith("-"):
        return f"Fl {_words(name[1:])}"
    return f"Cm {name}" if name.startswith("+") else f"No {_words(name)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(text: str) -> str:
    """Return arguments of a macro, none of which is taken for a macro."""
    return " ".join(rf"\&{word}" if _MACRO.fullmatch(word) else word for word in text.split())


def _prose(text: str) -> str:
    """Return a line of text: no backslash is an escape, no first dot or quote begins a request."""
    # The dashes of an option are no hyphens: a reader shall find them by searching, and copy them.
    escaped = _DASHES.sub(lambda dashes: r"\-" * len(dashes[0]), text.replace("\\", r"\e"))
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main(frame: Path = FRAME, target: Path = PAGE) -> int:
    """Write the page; 1 if its frame is no frame."""
    try:
        target.write_text(page(frame.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
