"""The grammar, and the order in which mistakes are found."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli import options
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.cli.usage import usage, version
from scpd.errors import UsageError
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator

SORTS = "--sort-conc-studies, --sort-on-study-uid or --sort-on-patientname"
NOBODY = 65534
ENDLESS = "--eostudy-by timeout only allowed with --eostudy-timeout or --eostudy-max-age"


def settings(*words: str) -> Settings:
    answer = parse("scpd", list(words))
    assert isinstance(answer, Settings)
    return answer


def error(*words: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse("scpd", list(words))
    return caught.value


def test_a_port_alone_gives_the_defaults_of_storescp() -> None:
    given_port = settings("11112")
    assert {name: getattr(given_port, name) for name in Settings.__slots__} == {
        "program_name": "scpd",
        "port": 11112,
        "arguments": None,
        "log_level": "warn",
        "log_config": None,
        "log_config_fault": "",
        "verbose_pc": False,
        "fork": False,
        "max_associations": None,
        "ip_protocol": "ipv4",
        "config_file": None,
        "access_control": False,
        "inetd": False,
        "bind": (),
        "socket_timeout": 60,
        "acse_timeout": 30,
        "dimse_timeout": None,
        "ae_title": "STORESCP",
        "max_pdu": 16384,
        "transfer_syntaxes": "prefer-uncompr",
        "promiscuous": False,
        "ignore": False,
        "host_lookup": True,
        "refuse": False,
        "reject": False,
        "sleep_after": 0,
        "sleep_during": 0,
        "abort_after": False,
        "abort_during": False,
        "uid_padding": False,
        "tls": None,
        "key_password": None,
        "allowed_names": (),
        "key_format": "pem",
        "certificate_files": (),
        "certificate_directories": (),
        "crl_files": (),
        "crl_check": None,
        "tls_profile": "8996",
        "ciphers": (),
        "dh_parameters": None,
        "expected_server_name": None,
        "seed_file": None,
        "seed_output": None,
        "peer_certificate": "require",
        "output_directory": ".",
        "bit_preserving": False,
        "write_dataset": False,
        "write_transfer_syntax": "same",
        "new_vrs": True,
        "group_lengths": "recalc",
        "sequence_lengths": "explicit",
        "padding": None,
        "convert_un": False,
        "compression_level": None,
        "sorting": None,
        "unique_filenames": False,
        "timenames": False,
        "filename_extension": "",
        "exec_on_reception": None,
        "exec_on_eostudy": None,
        "rename_on_eostudy": False,
        "eostudy_timeout": None,
        "exec_sync": False,
        "max_associations_per_host": None,
        "max_object_size": None,
        "min_free": 0,
        "min_rate": None,
        "fsync": True,
        "grace": 30,
        "duplicates": "replace",
        "log_format": "text",
        "reject_malformed": False,
        "check_config": False,
        "daemon": False,
        "pidfile": None,
        "user": None,
        "group": None,
        "umask": None,
        "require_called_aet": False,
        "called_aets": (),
        "calling_aets": (),
        "peers": None,
        "hosts_allow": "/etc/hosts.allow",
        "hosts_deny": "/etc/hosts.deny",
        "lock_directory": None,
        "eostudy_by": "either",
        "eostudy_max_age": None,
        "exec_jobs": None,
        "exec_timeout": None,
        "exec_retries": 0,
        "keeper": True,
        "confine": True,
        "warnings": (),
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--fork", {"fork": True}),
        ("--fork --single-process", {"fork": False}),
        ("--fork --max-associations 8", {"fork": True, "max_associations": 8}),
        ("-q", {"log_level": "fatal"}),
        ("-v", {"log_level": "info"}),
        ("-d", {"log_level": "debug"}),
        ("-q -v", {"log_level": "info"}),
        ("-v -d -q", {"log_level": "fatal"}),
        ("-q -v -q -d", {"log_level": "debug"}),
        ("-ll TRACE", {"log_level": "trace"}),
        ("-ll nonsense -ll Off", {"log_level": "off"}),
        ("-i6", {"ip_protocol": "ipv6"}),
        ("-i0", {"ip_protocol": "auto"}),
        ("-i6 -i4", {"ip_protocol": "ipv4"}),
        ("--bind ::1 --bind 127.0.0.1", {"bind": ("::1", "127.0.0.1")}),
        ("-ts 0 -ta 010 -td 0x10", {"socket_timeout": None, "acse_timeout": 8, "dimse_timeout": 16}),
        ("-ta abc -ta 5", {"acse_timeout": 5}),
        ("-aet -q", {"ae_title": "-q", "log_level": "warn"}),
        ("-aet @", {"ae_title": "@"}),
        ("-v +v", {"log_level": "info", "verbose_pc": True}),
        ("-ll trace +v", {"log_level": "trace", "verbose_pc": True}),
        ("-xf f.cfg default", {"config_file": ("f.cfg", "DEFAULT")}),
        ("-xf f P +xe +x= -pm", {"config_file": ("f", "P"), "promiscuous": True}),
        ("--prefer-jpeg8 +xr", {"transfer_syntaxes": "prefer-rle"}),
        ("+x4", {"transfer_syntaxes": "prefer-hevc"}),
        ("-dhl", {"host_lookup": False}),
        ("--refuse --reject -up", {"refuse": True, "reject": True, "uid_padding": True}),
        ("--sleep-after 1 --sleep-during 2", {"sleep_after": 1, "sleep_during": 2}),
        ("--abort-after --abort-during", {"abort_after": True, "abort_during": True}),
        ("-tn -uf", {"timenames": True}),
        ("-tn +uf -uf", {"timenames": True}),
        ("+cl 9 -xs", {"compression_level": 9, "exec_sync": True}),
        ("-tls -ac +t= +u +g= +e -p -uc --no-sni", {}),
        ("+B +te -B +t=", {}),
        ("+B +p 1 1 -p", {"bit_preserving": True}),
        ("+te", {"write_transfer_syntax": "little"}),
        ("+te +tb", {"write_transfer_syntax": "big"}),
        ("+tb +ti", {"write_transfer_syntax": "implicit"}),
        ("+td +cl 0", {"write_transfer_syntax": "deflated", "compression_level": 0}),
        ("+td +cl 6", {"write_transfer_syntax": "deflated", "compression_level": 6}),
        ("+td", {"write_transfer_syntax": "deflated"}),
        ("+cl 1", {"compression_level": 1}),
        ("+td +t=", {}),
        ("-u", {"new_vrs": False}),
        ("+g", {"group_lengths": "create"}),
        ("-g", {"group_lengths": "remove"}),
        ("-g +g=", {}),
        ("-e", {"sequence_lengths": "undefined"}),
        ("+p 512 0", {"padding": (512, 0)}),
        ("+p 0 0", {"padding": (0, 0)}),
        ("+p 3 2 +p 2 4", {"padding": (2, 4)}),
        ("+p 1 1 -p", {}),
        ("+uc", {"convert_un": True}),
        ("--reject-malformed", {"reject_malformed": True}),
        ("--duplicates both --log-format json", {"duplicates": "both", "log_format": "json"}),
        ("--check-config", {"check_config": True}),
        ("--daemon --pidfile /run/scpd.pid", {"daemon": True, "pidfile": "/run/scpd.pid"}),
        ("--user scpd --group 104", {"user": "scpd", "group": "104"}),
        ("--umask 0027", {"umask": 0o027}),
        ("--umask 7", {"umask": 0o007}),
        ("-fe +x -od -v", {"filename_extension": "+x", "output_directory": "-v", "log_level": "warn"}),
        ("-ss x", {"sorting": ("conc-studies", "x")}),
        ("-su -v", {"sorting": ("study-uid", "-v")}),
        ("-su x -ss y -sp", {"sorting": ("patientname", "")}),
        ("+B -ss x", {"bit_preserving": True, "sorting": ("conc-studies", "x")}),
        ("-xcr x -xs", {"exec_on_reception": "x", "exec_sync": True}),
        (
            "-sp -xcs x -rns --fork",
            {
                "sorting": ("patientname", ""),
                "exec_on_eostudy": "x",
                "rename_on_eostudy": True,
                "fork": True,
            },
        ),
        ("-sp -tos 0", {"sorting": ("patientname", ""), "eostudy_timeout": 0}),
        (
            "-sp -tos 5 --eostudy-by next",
            {"sorting": ("patientname", ""), "eostudy_timeout": 5, "eostudy_by": "next"},
        ),
        (
            "-sp -tos 5 --eostudy-by timeout",
            {"sorting": ("patientname", ""), "eostudy_timeout": 5, "eostudy_by": "timeout"},
        ),
        (
            "-sp --eostudy-max-age 0x10 --eostudy-by timeout",
            {"sorting": ("patientname", ""), "eostudy_max_age": 16, "eostudy_by": "timeout"},
        ),
        ("-pdu 131072", {"max_pdu": 131072, "warnings": ()}),
        ("-pdu 4097", {"max_pdu": 4096, "warnings": ("ASSOC: PDV receive length 4097 is odd (using 4096)",)}),
        ("+xa +xe +x=", {"transfer_syntaxes": "prefer-uncompr"}),
        ("+x= +xi", {"transfer_syntaxes": "implicit"}),
        ("+xb", {"transfer_syntaxes": "prefer-big"}),
        ("+xe +xa", {"transfer_syntaxes": "accept-all"}),
        ("--prefer-little", {"transfer_syntaxes": "prefer-little"}),
        ("-pm --ignore", {"promiscuous": True, "ignore": True}),
        ("-od in/ -od out/", {"output_directory": "out"}),
        ("+B", {"bit_preserving": True}),
        ("+B -B", {"bit_preserving": False}),
        ("-F", {"write_dataset": True}),
        ("-F +F", {"write_dataset": False}),
        ("+uf", {"unique_filenames": True}),
        ("+uf -uf", {"unique_filenames": False}),
        ("--no-fsync", {"fsync": False}),
        ("--no-fsync --fsync", {"fsync": True}),
        ("--grace 0", {"grace": 0}),
        ("--min-free 10G", {"min_free": 10 << 30}),
        ("--max-object-size 2t --min-rate 64k", {"max_object_size": 2 << 40, "min_rate": 64 << 10}),
        ("--max-associations-per-host 7", {"max_associations_per_host": 7, "fork": False}),
        (
            "--require-called-aet --called-aet A --called-aet B",
            {"require_called_aet": True, "called_aets": ("A", "B")},
        ),
        (
            "--allow-calling-aet A --allow-calling-aet B@10.0.0.0/8",
            {"calling_aets": (("A", ""), ("B", "10.0.0.0/8"))},
        ),
        ("--peers table", {"peers": "table"}),
        (
            "+ac --hosts-allow a --hosts-deny b",
            {"access_control": True, "hosts_allow": "a", "hosts_deny": "b"},
        ),
        ("--lock-directory locks/ --no-keeper", {"lock_directory": "locks", "keeper": False}),
        # One command file for all daemons: what bounds commands is taken where there are none.
        (
            "--exec-jobs 010 --exec-timeout 0x10 --exec-retries 3",
            {"exec_jobs": 10, "exec_timeout": 16, "exec_retries": 3},
        ),
    ],
)
def test_a_line_asks_for_what_it_says_and_for_nothing_else(line: str, expected: dict[str, Any]) -> None:
    asked, plain = settings(*line.split(), "11112"), settings("11112")
    changed = {name for name in Settings.__slots__ if getattr(asked, name) != getattr(plain, name)}
    assert {name: getattr(asked, name) for name in expected} == expected
    assert changed <= set(expected)


def test_the_name_of_a_profile_has_capitals_and_no_white_space() -> None:
    assert settings("-xf", " F ", " d\u00e9f\tau lt\n", "1").config_file == (" F ", "D\u00e9FAULT")


def test_options_may_stand_on_either_side_of_the_port() -> None:
    asked = settings("-v", "11112", "-od", "in")
    assert (asked.port, asked.log_level, asked.output_directory) == (11112, "info", "in")


@pytest.mark.parametrize("port", ["+11112", " 11112", "011112"])
def test_a_port_may_be_written_oddly(port: str) -> None:
    assert settings(port).port == 11112


def test_a_port_is_left_out_by_those_who_listen_to_nobody_and_is_read_all_the_same() -> None:
    ports = []
    for words in (["-od", "in"], ["-od", "in", "11112"]):
        answer = parse("scpctl", words, needs_port=False)
        assert isinstance(answer, Settings)
        ports.append(answer.port)
    assert ports == [0, 11112]
    with pytest.raises(UsageError, match="Invalid parameter value x"):
        parse("scpctl", ["-od", "in", "x"], needs_port=False)


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["-h", "1", "2"], ["--version", "-h", "-ta", "x"], []])
def test_help_is_what_an_empty_line_and_the_option_ask_for(words: list[str]) -> None:
    assert parse("storescp", words) == usage("storescp")


def test_version_ignores_what_is_wrong_elsewhere() -> None:
    assert parse("scpd", ["-ta", "x", "--version", "1", "2"]) == version("scpd")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        # found from left to right, before everything else
        ("-h -x", "Unknown option -x"),
        ("-x -pdu", "Unknown option -x"),
        ("-h -pdu", "Missing value for option --max-pdu"),
        ("--aetitle=X 1", "Unknown option --aetitle=X"),
        ("-od/tmp 1", "Unknown option -od/tmp"),
        ("-vd 1", "Unknown option -vd"),
        ("--verb 1", "Unknown option --verb"),
        ("-V 1", "Unknown option -V"),
        ("-- 1", "Unknown option --"),
        ("+tls k c -sp 1 +cs X +pz", "--cipher not allowed with --profile-bcp195-ex"),
        ("+tls k c -ic --allow-peer-cn x 1", "--allow-peer-cn not allowed with --ignore-peer-cert"),
        ("--passwd-file f 1", "--passwd-file only allowed with --enable-tls"),
        # what whoever asks for the parse has not said how to do
        ("-lc f 1 -ta 0", "--log-config has no effect here"),
        ("--list-ciphers", "--list-ciphers has no answer here"),
        ("+ph +cc", "--list-ciphers has no answer here"),
        # what storescp takes and then forgets, after all that it checks
        ("+p 512 3 1", "Invalid value for option --padding-create (odd: 3)"),
        ("+p 7 3 1", "Invalid value for option --padding-create (odd: 7)"),
        ("+p 1 1 1 -sp -tos x", "Invalid value for option --eostudy-timeout (x)"),
        ("+p 1 1 1 +pz +cs X", "--profile-bcp195-ex only allowed with --enable-tls"),
        ("+p 1 1 1 -sp -id", "Invalid value for option --padding-create (odd: 1)"),
        ("+p 1 1 -F 1", "--padding-create not allowed with --write-dataset"),
        ("+p 1 1 +B 1", "--padding-create not allowed with --bit-preserving"),
        ("-id --max-associations-per-host 2", "--max-associations-per-host not allowed with --inetd"),
        ("--reject-malformed +B 1", "--reject-malformed not allowed with --bit-preserving"),
        ("+cl 1 +te 1", "--compression-level only allowed with --write-xfer-deflated or --write-xfer-same"),
        # side effects of blocks
        ("+xa +te +ti 1", "--write-xfer-little not allowed with --accept-all"),
        ("+B -p +p 1 1 1", "--padding-create not allowed with --bit-preserving"),
        ("+pa 1", "--profile-aes only allowed with --enable-tls"),
        ("-vc -ic 1", "--ignore-peer-cert only allowed with --enable-tls"),
        ("--inetd --fork --max-associations 2", "--inetd not allowed with --fork"),
        ("--inetd --fork --max-associations x", "--inetd not allowed with --fork"),
        ("+v -ta 0 1", "--verbose-pc only allowed with verbose mode"),
        ("--inetd --max-associations 2", "--max-associations only allowed with --fork"),
        ("--no-sni --expect-sni x 1", "--no-sni not allowed with --expect-sni"),
        ("+v 1", "--verbose-pc only allowed with verbose mode"),
        ("-ll warn +v 1", "--verbose-pc only allowed with verbose mode"),
        # then parameters, processes, port, logging, network, output, our own
        ("1 2 -ta 0", "Too many parameters"),
        ("-5 @", "Too many parameters"),
        ("--max-associations x", "--max-associations only allowed with --fork"),
        ("--fork --single-process --max-associations 2 1", "--max-associations only allowed with --fork"),
        ("--fork --max-associations 0", "Invalid value for option --max-associations (underflow: 0)"),
        ("-ll x", "Missing parameter port"),
        ("@ -ll x", "Invalid parameter value @"),
        ("-y @/nonexistent/file", "Cannot open command file '/nonexistent/file'"),
        ("5x", "Invalid parameter value 5x"),
        ("70000 -ll x", "Invalid parameter value 70000 (overflow)"),
        ("1 -ll x -v -ta 0", "--log-level not allowed with --verbose, --debug or --quiet"),
        ("1 -ll x -ta 0", "Invalid log level for --log-level option"),
        ("1 -pdu 1 -td x -ta y", "Invalid value for option --acse-timeout (y)"),
        ("1 --bind x --grace x -pdu 1", "Invalid value for option --max-pdu (underflow: 1)"),
        ("1 --grace x --bind x", "Invalid value for option --bind (x)"),
        ("1 --bind x --bind ::1", "Invalid value for option --bind (x)"),
        ("1 --duplicates Both", "Invalid value for option --duplicates (Both)"),
        ("1 --log-format xml", "Invalid value for option --log-format (xml)"),
        ("1 --exec-jobs 0", "Invalid value for option --exec-jobs (underflow: 0)"),
        ("1 --exec-timeout 0", "Invalid value for option --exec-timeout (underflow: 0)"),
        ("1 --exec-retries -1", "Invalid value for option --exec-retries (-1)"),
        ("1 -su x --eostudy-by never", "Invalid value for option --eostudy-by (never)"),
        ("1 -su x --eostudy-max-age 0", "Invalid value for option --eostudy-max-age (underflow: 0)"),
        ("1 --eostudy-by next", f"--eostudy-by only allowed with {SORTS}"),
        ("1 --eostudy-max-age 5", f"--eostudy-max-age only allowed with {SORTS}"),
        ("1 --eostudy-max-age 5 -xcs x", f"--exec-on-eostudy only allowed with {SORTS}"),
        ("1 -ss x --eostudy-by timeout", ENDLESS),
        ("1 -ss x --eostudy-by next -xcs x --eostudy-by timeout -rns", ENDLESS),
        ("1 -ss x --eostudy-by timeout +p 3 3", "Invalid value for option --padding-create (odd: 3)"),
    ],
)
def test_of_several_mistakes_the_first_in_the_order_of_checks_is_named(line: str, text: str) -> None:
    assert str(error(*line.split())) == text


@pytest.mark.parametrize(
    ("line", "quiet"),
    [
        ("-q -x", False),
        ("-q 1 2", False),
        ("-q 70000", False),
        ("-q -ll info 1", False),
        ("-q -ta 0 1", True),
        ("-v -q -ta 0 1", True),
        ("-q -v -ta 0 1", False),
        ("-ll fatal -ta 0 1", True),
        ("-ll OFF -ta 0 1", True),
        ("-ll error -ta 0 1", False),
        ("-q --bind x 1", True),
        ("-q -sp --eostudy-by timeout 1", True),
        ("-q +p 1 1 1", True),
        ("-q -id -ta 0", True),
        ("-q --fork -id", False),
        ("-q --list-ciphers", False),
    ],
)
def test_quiet_mode_hides_only_what_is_checked_after_it_is_known(line: str, quiet: bool) -> None:
    assert error(*line.split()).quiet is quiet


class Levels:
    def __init__(self, root: str, storescp: str) -> None:
        self.root_level = root
        self.storescp_level = storescp


@pytest.mark.parametrize(
    ("root", "storescp", "line", "text", "quiet"),
    [
        ("warn", "info", "+v -ta 0", "Invalid value for option --acse-timeout (underflow: 0)", False),
        ("error", "trace", "+v -ta 0", "Invalid value for option --acse-timeout (underflow: 0)", False),
        ("off", "debug", "+v -ta 0", "Invalid value for option --acse-timeout (underflow: 0)", True),
        ("fatal", "fatal", "+v", "--verbose-pc only allowed with verbose mode", True),
        ("trace", "warn", "+v", "--verbose-pc only allowed with verbose mode", False),
        ("off", "off", "-v", "--log-config not allowed with --verbose, --debug or --quiet", False),
        ("off", "off", "-ll info", "--log-config not allowed with --log-level", False),
        ("off", "off", "-ll info -v", "--log-level not allowed with --verbose, --debug or --quiet", False),
    ],
)
def test_a_log_configuration_decides_about_quiet_and_verbose_mode(
    root: str, storescp: str, line: str, text: str, quiet: bool
) -> None:
    with pytest.raises(UsageError) as caught:
        parse("scpd", ["-lc", "file", *line.split(), "1"], lambda path: Levels(root, storescp))
    assert (str(caught.value), caught.value.quiet) == (text, quiet)


def test_a_log_configuration_is_read_once_in_its_turn() -> None:
    paths: list[str] = []

    def read(path: str) -> Levels:
        paths.append(path)
        raise UsageError(f"{path} is missing")

    for line in ("-lc a -ta 0 1", "-lc b -lc c 1"):
        with pytest.raises(UsageError, match="is missing") as caught:
            parse("scpd", line.split(), read)
        assert not caught.value.quiet
    for line in ("-lc d", "-lc e -d 1", "1 2 -lc f", "--fork --max-associations 0 -lc g"):
        with pytest.raises(UsageError):
            parse("scpd", line.split(), read)
    parse("scpd", ["-lc", "h", "--help"], read)
    assert paths == ["a", "c"]

    answer = parse("scpd", ["-lc", "i", "+v", "1"], lambda path: Levels("error", "info"))
    assert isinstance(answer, Settings)
    assert (answer.log_config, answer.log_level, answer.verbose_pc) == ("i", "error", True)


def test_arguments_are_shown_by_their_long_names_and_empty_ones_only_counted() -> None:
    answer = settings("--arguments", "-tn", "-aet", "", "-od", "-v", "11112")
    assert answer.arguments == (
        "calling 'scpd' with 7 arguments: '--arguments' '--timenames' '--aetitle' '--output-directory' '-v' '11112' \n"
    )
    assert settings("11112").arguments is None


def test_command_files_give_way_to_their_words_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("'A TITLE' -fe")
    (tmp_path / "more").write_bytes(b"\xff\r\n11112\t--arguments")
    (tmp_path / "empty").touch()
    answer = parse(
        "scpd", ["-aet", f"@{tmp_path}/value", f"@{tmp_path}/more", f"@{tmp_path}/empty", f"@{tmp_path}"]
    )
    assert isinstance(answer, Settings)
    assert (answer.ae_title, answer.filename_extension, answer.port) == ("A TITLE", "\udcff", 11112)
    assert answer.arguments == (
        "calling 'scpd' with 6 arguments: "
        "'--aetitle' 'A TITLE' '--filename-extension' '\udcff' '11112' '--arguments' \n"
    )
    assert parse("scpd", [f"@{tmp_path}/empty"]) == usage("scpd")


@pytest.mark.parametrize("name", ["\0", "/nonexistent/file", "/etc/hostname/x"])
def test_a_command_file_that_cannot_be_opened_is_found_first(name: str) -> None:
    assert str(error("-x", f"@{name}", "-pdu")) == f"Cannot open command file '{name}'"


def test_a_command_file_with_a_nul_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"-od in\0")
    assert str(error(f"@{tmp_path}/words", "-x")) == f"Command file '{tmp_path}/words' is not a text file"


class TestAgain:
    """Command files that were read before, by a program that may not read all of them any more."""

    def again(self, path: Path, before: dict[str, str], user: int = NOBODY) -> Any:
        """Give what it gets from the file: extension and warnings, or the complaint; and all texts that it has then."""

        def work() -> object:
            os.setresuid(user, user, user)
            try:
                answer = parse("scpd", [f"@{path}", "11112"], command_files=before)
            except UsageError as wrong:
                return str(wrong), before
            assert isinstance(answer, Settings)
            return answer.filename_extension, answer.warnings, before

        return in_child(work)

    @pytest.fixture
    def path(self) -> Iterator[Path]:
        """A command file of root's, in a place that others can look into (not pytest's)."""
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            path = Path(folder, "words")
            path.write_text("-fe .new", encoding="utf-8")
            path.chmod(0o600)
            yield path

    def test_one_that_is_closed_keeps_its_words_with_a_warning(self, path: Path) -> None:
        before = {str(path): "-fe .old"}
        warning = f"cannot be renewed by reload: {path}: Permission denied"
        assert self.again(path, before) == [".old", [warning], before]

    def test_one_that_is_closed_and_new_is_an_error(self, path: Path) -> None:
        assert self.again(path, {"other": "-fe .old"}) == [
            f"Cannot open command file '{path}'",
            {"other": "-fe .old"},
        ]

    def test_one_that_can_be_read_has_its_new_words(self, path: Path) -> None:
        assert self.again(path, {str(path): "-fe .old"}, 0) == [".new", [], {str(path): "-fe .new"}]
        path.chmod(0o644)
        assert self.again(path, {str(path): "-fe .old"}) == [".new", [], {str(path): "-fe .new"}]

    def test_one_that_is_gone_is_an_error(self, path: Path) -> None:
        path.unlink()
        assert self.again(path, {str(path): "-fe .old"})[0] == f"Cannot open command file '{path}'"


FIELD = Path(__file__).parents[2] / "cases" / "command_lines" / "field.tsv"
FIELD_LINES = [line.split("\t") for line in FIELD.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize(("line", "outcome"), FIELD_LINES)
def test_a_line_found_in_use_is_taken_or_refused_for_the_reason_expected(line: str, outcome: str) -> None:
    program_name, *words = shlex.split(line)
    try:
        answer = parse(program_name, words)
    except UsageError as refusal:
        said = str(refusal)
    else:
        assert isinstance(answer, Settings)
        said = "accepted"
    assert said == outcome


WORDS = st.sampled_from(sorted(options.BY_NAME)) | st.sampled_from(
    ["5", "11112", "info", "::1", "/tmp", "-1", "@x"]
)


@given(st.lists(WORDS | st.text(alphabet=st.characters(codec=None)), max_size=12))
def test_any_list_of_words_gives_settings_a_text_or_a_usage_error(words: list[str]) -> None:
    try:
        answer = parse("scpd", words)
    except UsageError:
        return
    assert isinstance(answer, Settings | str)
    if isinstance(answer, Settings):
        assert (0 if answer.check_config or answer.inetd else 1) <= answer.port <= 65535
        assert answer.max_pdu % 2 == 0


def test_the_parser_brings_in_nothing_but_itself() -> None:
    script = (
        "import sys; before = set(sys.modules);"
        "from scpd.cli.parser import parse; parse('scpd', ['--fork', '1']);"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    foreign = {name for name in done.stdout.split() if name.partition(".")[0] != "scpd"} - {"__future__"}
    assert foreign == set()
    assert "scpd.cli.usage" not in done.stdout.split()


def test_who_opens_no_port_needs_none() -> None:
    for answer in (parse("scpd", ["-v"], needs_port=False), parse("scpd", ["-v", "--check-config"])):
        assert isinstance(answer, Settings)
        assert answer.port == 0
    checked = parse("scpd", ["--check-config", "104"])
    assert isinstance(checked, Settings)
    assert checked.port == 104
    with pytest.raises(UsageError, match="Missing parameter port"):
        parse("scpd", ["-v"])
