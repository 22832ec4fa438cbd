"""THE table of options: what scpd's command line can say, each option once.

Parser, `--help` and manual page are made from it; to add an option is to add a row to the module of its
group (and, if rooms shall learn its value, a typed name in `settings.Settings`).  `rows` explains the
columns.  A row does nothing: `parser` reads the words and `checks` judges them by the columns.  The options
are storescp(1)'s, by the same names, in the order of its --help; the last section is our own.
"""

from __future__ import annotations

from scpd.cli import (
    options_events,
    options_general,
    options_network,
    options_output,
    options_own,
    options_tls,
)

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from scpd.cli.rows import Option

# The one word that is no option.
PORT_NAME = "port"
PORT_HELP = "tcp port to listen on, 1 to 65535"

SECTIONS = (
    *options_general.SECTIONS,
    *options_network.SECTIONS,
    *options_tls.SECTIONS,
    *options_output.SECTIONS,
    *options_events.SECTIONS,
    *options_own.SECTIONS,
)

OPTIONS = tuple(option for section in SECTIONS for option in section.options)
BY_NAME = {name: option for option in OPTIONS for name in (option.long, option.short) if name}
# Options that say something and end; the first in this order wins.
EXCLUSIVE = tuple(BY_NAME[name] for name in ("--help", "--version", "--list-ciphers", "--list-profiles"))
DEFAULTS: dict[str, object] = {
    **{option.destination: None for option in OPTIONS if option.destination},
    **{option.destination: option.default for option in OPTIONS if option.destination and not option.block},
    **{option.destination: option.value for option in OPTIONS if option.destination and option.by_default},
}


def checked(first: int, end: int) -> list[list[Option]]:
    """Return what is checked from `first` to before `end`, in the order of the checks.

    Each element is a block, its members in the order in which they are tested; an option of no block is a
    block of one.
    """
    blocks: dict[str, list[Option]] = {}
    checks: dict[str, int] = {}
    for section in SECTIONS:
        for option in section.options:
            name = option.block.partition(":")[0] or option.long
            blocks.setdefault(name, []).append(option)
            checks.setdefault(name, section.check if option.check is None else option.check)
    wanted = [name for name in blocks if first <= checks[name] < end and blocks[name][0] not in EXCLUSIVE]
    return [sorted(blocks[name], key=_place) for name in sorted(wanted, key=checks.__getitem__)]


def _place(option: Option) -> int:
    return int(option.block.partition(":")[2] or 0)
