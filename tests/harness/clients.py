"""Real storage clients, run to their end in bounded time; each gives its CompletedProcess, with text."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from pathlib import Path

    from tests.harness.servers import Server

CLIENT_SECONDS = 60.0


def run(
    command: list[str], timeout: float = CLIENT_SECONDS, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without input; AssertionError with what it said if it takes longer than `timeout` seconds."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"") + (expired.stderr or b"")
        raise AssertionError(f"{command} takes more than {timeout:g} s; it says: {said[-3000:]!r}") from None


def storescu(
    server: Server, *arguments: str | Path, timeout: float = CLIENT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """DCMTK's storescu: `storescu(server, "+sd", folder)`; without Nagle's delays."""
    return _dcmtk("storescu", server, arguments, timeout)


def dcmsend(
    server: Server, *arguments: str | Path, timeout: float = CLIENT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """DCMTK's dcmsend, which proposes what its files need."""
    return _dcmtk("dcmsend", server, arguments, timeout)


def echoscu(
    server: Server, *arguments: str | Path, timeout: float = CLIENT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """DCMTK's echoscu."""
    return _dcmtk("echoscu", server, arguments, timeout)


def gdcmscu(
    server: Server, *arguments: str | Path, timeout: float = CLIENT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """GDCM's client: `gdcmscu(server, "--store", "-i", file)`, `gdcmscu(server, "--echo")`.

    GDCM 3.0.21 ends by SIGABRT after each release, whatever the server: ask `gdcm_was_answered` instead.
    """
    words = [
        real_program("gdcmscu"),
        "-V",
        "-D",
        *map(str, arguments),
        "-H",
        server.host,
        "-p",
        str(server.port),
    ]
    return run(words, timeout)


def gdcm_was_answered(result: subprocess.CompletedProcess[str]) -> bool:
    """Say whether its log shows no status but 0, and an A-RELEASE-RP (PDU type 6)."""
    text = result.stdout + result.stderr
    statuses = re.findall(r"\(0000,0900\) \S+ \(US\) (\d+)", text)
    return bool(statuses) and set(statuses) == {"0"} and "PDU code: 6" in text


def scpctl(*arguments: str | Path | int, timeout: float = CLIENT_SECONDS) -> subprocess.CompletedProcess[str]:
    """Our own requestor, with its arguments as typed."""
    words = [sys.executable, "-m", "scpd.ctl.main", *map(str, arguments)]
    return run(words, timeout, {"PYTHONPATH": str(REPOSITORY)})


def pynetdicom_send(
    server: Server,
    paths: Iterable[Path],
    *,
    calling: str = "PYNETDICOM",
    called: str = "ANY-SCP",
    tls_args: tuple[ssl.SSLContext, str] | None = None,
) -> list[int]:
    """Store files by pynetdicom on one association; the status of each, -1 where none came.

    pynetdicom decodes a data set and encodes it again.  `tls_args` are a context and the name that is to be shown.
    """
    import pydicom
    from pynetdicom import AE, build_context

    data_sets = [pydicom.dcmread(path) for path in paths]
    needed = dict.fromkeys((ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in data_sets)
    application = AE(ae_title=calling)
    application.acse_timeout = application.dimse_timeout = application.network_timeout = 20
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in needed]
    association = application.associate(server.host, server.port, contexts, called, tls_args=tls_args)
    if not association.is_established:
        raise AssertionError("pynetdicom got no association")
    association.dimse.msg_queue = _ResponseQueue()
    try:
        return [int(association.send_c_store(data_set).get("Status", -1)) for data_set in data_sets]
    finally:
        association.release()


class _ResponseQueue(queue.Queue[Any]):
    """Responses for the thread that waits for them: pynetdicom's own loop, which only looks, now and then takes one."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block:
            raise queue.Empty
        return super().get(timeout=timeout)


def _dcmtk(
    name: str, server: Server, arguments: Iterable[str | Path], timeout: float
) -> subprocess.CompletedProcess[str]:
    words = [real_program(name), server.host, str(server.port), *map(str, arguments)]
    return run(words, timeout, {"TCP_NODELAY": "1"})
