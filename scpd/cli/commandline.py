"""A command line with the log configuration that it names: read once, for scpd and for scpctl keep."""

from __future__ import annotations

from scpd.cli.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.cli.settings import Settings
    from scpd.log.configuration import Configuration


def read_command_line(  # noqa: PLR0913 - what a command line cannot say of itself
    program_name: str,
    words: list[str],
    environment: Mapping[str, str],
    *,
    needs_port: bool = True,
    is_check: bool = False,
    list_of: Callable[[str], str] | None = None,
    command_files: dict[str, str] | None = None,
) -> tuple[Settings | str, Configuration | None]:
    """Give what the words ask for, or a text to print, and what --log-config names; raises `UsageError`.

    That file is read when the command line is, since quiet mode depends on it.  The words are judged as those of a
    check if `is_check`, whether they ask for one or not.  `list_of` and `command_files` are as in `parse`.
    """
    configuration: Configuration | None = None

    def read_log_config(path: str) -> Configuration:
        nonlocal configuration
        from scpd.log.configfile import read_log_config  # few command lines have one

        configuration = read_log_config(path, environment, program_name)
        return configuration

    outcome = parse(
        program_name,
        words,
        read_log_config,
        needs_port=needs_port,
        is_check=is_check,
        list_of=list_of,
        command_files=command_files,
    )
    return outcome, configuration
