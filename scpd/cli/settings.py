"""The frozen result of a command line: what the administrator asks, never changed later.

Only `policies` reads it; the rooms get what concerns them in words of their own.
"""

from __future__ import annotations


class Settings:
    """What a command line asks for; every attribute is given by keyword, none can be assigned afterwards."""

    program_name: str  # the name that scpd was called by, for its messages
    port: int  # 0 with --inetd
    # general and multi-process options
    arguments: str | None  # what --arguments logs, with its line feed
    log_level: (
        str  # fatal, error, warn, info, debug, trace, off or all; with log_config, that of its root logger
    )
    log_config: str | None  # path
    log_config_fault: str  # what makes that file useless; empty unless it is for --check-config
    verbose_pc: bool
    fork: bool
    max_associations: int | None  # served in parallel; None: unlimited
    # network options
    ip_protocol: str  # ipv4, ipv6 or auto (both)
    config_file: tuple[str, str] | None  # path, and profile in capitals without white space
    transfer_syntaxes: str  # the option in force without its dashes, such as prefer-little
    access_control: bool
    inetd: bool
    socket_timeout: int | None  # seconds; None: unlimited
    acse_timeout: int  # seconds
    dimse_timeout: int | None  # seconds; None: unlimited
    ae_title: str  # as given: any length, any characters
    max_pdu: int  # bytes, even
    host_lookup: bool
    refuse: bool
    reject: bool
    ignore: bool
    sleep_after: int  # seconds
    sleep_during: int  # seconds
    abort_after: bool
    abort_during: bool
    promiscuous: bool
    uid_padding: bool
    # TLS options
    tls: tuple[str, str] | None  # paths of key and certificate
    key_password: str | tuple[str, str] | None  # None: ask for it; a pair: "file", and a path
    key_format: str  # pem or der
    certificate_files: tuple[str, ...]
    certificate_directories: tuple[str, ...]
    crl_files: tuple[str, ...]
    crl_check: str | None  # leaf or chain
    tls_profile: str  # the option in force without --profile-
    ciphers: tuple[str, ...]  # TLS names
    dh_parameters: str | None  # path
    expected_server_name: str | None
    seed_file: str | None
    seed_output: str | None  # empty: the seed file
    peer_certificate: str  # require, verify or ignore
    # output options
    output_directory: str
    bit_preserving: bool
    write_dataset: bool
    write_transfer_syntax: str  # same, little, big, implicit or deflated
    new_vrs: bool
    group_lengths: str  # recalc, create or remove
    sequence_lengths: str  # explicit or undefined
    padding: tuple[int, int] | None  # bytes of which file and item are a multiple, even; 0: none
    convert_un: bool
    compression_level: int | None  # of zlib; None: not given
    sorting: tuple[str, str] | None  # conc-studies, study-uid or patientname, and prefix
    unique_filenames: bool
    timenames: bool
    filename_extension: str
    # event options
    exec_on_reception: str | None
    exec_on_eostudy: str | None
    rename_on_eostudy: bool
    eostudy_timeout: int | None  # seconds
    exec_sync: bool
    # our own options
    allowed_names: tuple[str, ...]  # patterns of names in peers' certificates; empty: any
    bind: tuple[str, ...]  # IP addresses to listen on, in their shortest form; empty: all of ip_protocol
    max_associations_per_host: int | None  # connections served or waiting; None: unlimited
    min_free: int  # bytes
    max_object_size: int | None  # bytes of a data set; None: unlimited
    min_rate: int | None  # bytes a second; None: unlimited
    fsync: bool
    grace: int  # seconds
    duplicates: str  # replace, keep, both or refuse
    log_format: str  # text or json
    reject_malformed: bool
    check_config: bool
    require_called_aet: bool
    called_aets: tuple[str, ...]  # beside ae_title, without blanks around them
    calling_aets: tuple[tuple[str, str], ...]  # title, and address or net (empty: any); none: all may call
    peers: str | None  # path of the table
    daemon: bool
    pidfile: str | None
    user: str | None
    group: str | None
    umask: int | None
    hosts_allow: str
    hosts_deny: str
    lock_directory: str | None  # None: .scpd in the output directory
    eostudy_by: str  # either, timeout or next
    eostudy_max_age: int | None  # seconds; None: unlimited
    exec_jobs: int | None  # commands at a time; None: as many as there are CPUs
    exec_timeout: int | None  # seconds; None: unlimited
    exec_retries: int
    keeper: bool  # whether the master keeps one alive
    confine: bool  # whether workers are confined, as far as the kernel can
    warnings: tuple[str, ...]  # texts to be logged as warnings once logging is set up

    __slots__ = (
        "abort_after",
        "abort_during",
        "access_control",
        "acse_timeout",
        "ae_title",
        "allowed_names",
        "arguments",
        "bind",
        "bit_preserving",
        "called_aets",
        "calling_aets",
        "certificate_directories",
        "certificate_files",
        "check_config",
        "ciphers",
        "compression_level",
        "config_file",
        "confine",
        "convert_un",
        "crl_check",
        "crl_files",
        "daemon",
        "dh_parameters",
        "dimse_timeout",
        "duplicates",
        "eostudy_by",
        "eostudy_max_age",
        "eostudy_timeout",
        "exec_jobs",
        "exec_on_eostudy",
        "exec_on_reception",
        "exec_retries",
        "exec_sync",
        "exec_timeout",
        "expected_server_name",
        "filename_extension",
        "fork",
        "fsync",
        "grace",
        "group",
        "group_lengths",
        "host_lookup",
        "hosts_allow",
        "hosts_deny",
        "ignore",
        "inetd",
        "ip_protocol",
        "keeper",
        "key_format",
        "key_password",
        "lock_directory",
        "log_config",
        "log_config_fault",
        "log_format",
        "log_level",
        "max_associations",
        "max_associations_per_host",
        "max_object_size",
        "max_pdu",
        "min_free",
        "min_rate",
        "new_vrs",
        "output_directory",
        "padding",
        "peer_certificate",
        "peers",
        "pidfile",
        "port",
        "program_name",
        "promiscuous",
        "refuse",
        "reject",
        "reject_malformed",
        "rename_on_eostudy",
        "require_called_aet",
        "seed_file",
        "seed_output",
        "sequence_lengths",
        "sleep_after",
        "sleep_during",
        "socket_timeout",
        "sorting",
        "timenames",
        "tls",
        "tls_profile",
        "transfer_syntaxes",
        "uid_padding",
        "umask",
        "unique_filenames",
        "user",
        "verbose_pc",
        "warnings",
        "write_dataset",
        "write_transfer_syntax",
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
