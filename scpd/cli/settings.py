"""The frozen result of a command line: what the administrator asks, never changed later.

Only `policies` reads it; the rooms get what concerns them in words of their own.
"""

from __future__ import annotations


class Settings:
    """What a command line asks for; every attribute is given by keyword, none can be assigned afterwards."""

    program_name: str  # the name that scpd was called by, for its messages
    port: int
    log_level: str  # fatal, error, warn, info, debug, trace, off or all
    fork: bool
    max_associations: int | None  # served in parallel; None: unlimited
    ip_protocol: str  # ipv4, ipv6 or auto (both)
    bind: tuple[str, ...]  # IP addresses to listen on, in their shortest form; empty: all of ip_protocol
    socket_timeout: int | None  # seconds; None: unlimited
    acse_timeout: int  # seconds
    dimse_timeout: int | None  # seconds; None: unlimited
    ae_title: str  # as given: any length, any characters
    max_pdu: int  # bytes, even
    transfer_syntaxes: str  # the option in force without its dashes, such as prefer-little
    promiscuous: bool
    ignore: bool
    output_directory: str
    bit_preserving: bool
    write_dataset: bool
    unique_filenames: bool
    filename_extension: str
    fsync: bool
    grace: int  # seconds
    warnings: tuple[str, ...]  # texts to be logged as warnings once logging is set up

    __slots__ = (
        "acse_timeout",
        "ae_title",
        "bind",
        "bit_preserving",
        "dimse_timeout",
        "filename_extension",
        "fork",
        "fsync",
        "grace",
        "ignore",
        "ip_protocol",
        "log_level",
        "max_associations",
        "max_pdu",
        "output_directory",
        "port",
        "program_name",
        "promiscuous",
        "socket_timeout",
        "transfer_syntaxes",
        "unique_filenames",
        "warnings",
        "write_dataset",
    )

    def __init__(self, **values: object) -> None:
        for name in self.__slots__:
            if name not in values:
                raise TypeError(f"Settings lacks {name}")
            object.__setattr__(self, name, values.pop(name))
        if values:
            raise TypeError(f"Settings has no {', '.join(values)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are final, {name} cannot be assigned")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings are final, {name} cannot be deleted")

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"
