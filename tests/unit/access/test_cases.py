"""The reference cases: what libwrap says, and what is wanted where it is open by a defect."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scpd.access.parties import Client, Host, Service
from scpd.access.tables import Tables
from scpd.access.verdict import decide

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = Path(__file__).parents[2] / "cases" / "host_access.jsonl"
CASES = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
# With one of these a case may be denied, too: whether a mistake elsewhere in a table denies everybody is our decision.
MAY_BE_DENIED = {
    "no-colon", "bracket", "no-newline", "long-line", "bad-option", "bad-prefix", "bad-net", "nul", "odd-number",
    "odd-pattern", "empty-list", "bare-glob", "continued-comment",
}  # fmt: skip
REFUSED_OPTIONS = ("twist", "banners", "rfc931", "user ", "group ")


def ask(command: str, before: Iterable[object]) -> bool | None:
    code = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False).returncode
    return code == 0 if code < 126 else None


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_bytes(text.replace("{dir}", str(folder)).encode("latin-1"))
    return str(path)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_verdict_is_the_one_wanted(case: dict[str, Any], tmp_path: Path) -> None:
    for name, text in case.get("files", {}).items():
        write(tmp_path, name, text)
    tables = [
        str(tmp_path / "missing") if case[name] is None else write(tmp_path, f"hosts.{name}", case[name])
        for name in ("allow", "deny")
    ]
    client = Client(Host(case["client_address"], case["client_name"] or "unknown"), user=case["client_user"])
    host = Host(case["server_address"], case["server_name"])
    service = Service((case["daemon"],), case.get("server_port") or 0, host)
    verdict = decide(Tables(*tables).look(), service, client, ask, lambda *_: False)
    wanted = case.get("want", case["verdict"])
    if not verdict.granted and wanted == "granted":
        text = f"{case['allow']}{case['deny']}"
        is_refused = any(option in text.lower() for option in REFUSED_OPTIONS)
        assert verdict.faults
        assert is_refused or MAY_BE_DENIED.intersection(case["tags"]), str(verdict)
        return
    assert verdict.granted == (wanted == "granted"), str(verdict)
    if not verdict.faults and "want" not in case and "aclexec" not in f"{case['allow']}{case['deny']}":
        table = verdict.table.rpartition(".")[2]
        assert (f"{table}:{verdict.line}" if verdict.line else "none") == case["line"]


def test_all_cases_are_there() -> None:
    assert len(CASES) == 403
