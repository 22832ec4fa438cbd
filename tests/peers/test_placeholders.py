"""The same objects and the same commands: what storescp runs is what our expansion says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.jobs.placeholders import expand
from scpd.jobs.values import Values
from tests.harness.clients import run
from tests.harness.objects import ct_image
from tests.harness.storing import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

# Each is printed as a shell sees it.
COMMANDS = [
    "show #p #f #a #c #r",
    "show #p/#f",
    'show "#p/#f"',
    "show '#a,#c,#r,#p,#f'",
    'show "#p 1 #a #c #f"',
    "show #a#c#r",
    "show x##f x#",
    "show x#f x#r",
    "show #p; show #f && show #a",
    "show #r '#r' \"#r\"",
]
TITLES = [("CT1", "PACS"), ("CT 1 A", "A-B_C"), ("X.Y", "a:b@c")]


def shown(command: str, out: Path) -> str:
    """The command, and around it what writes each word that a shell makes of it into a file."""
    show = f"show() {{ for word; do printf '%s\\n' \"[$word]\" >>{out}; done; }}; "
    return f"{show}{command}; echo end >>{out}"


def said(server: Server, out: Path) -> list[str]:
    """Wait for the end of a command."""
    server.wait_for(
        lambda: out.exists() and out.read_text(encoding="ascii").endswith("end\n"), what="a command"
    )
    text = out.read_text(encoding="ascii")
    out.unlink()
    # Debian's has a patch that puts #r between double quotes, as later versions do.
    return text.replace('"localhost"', "localhost").splitlines()


@pytest.mark.parametrize("options", [(), ("-ss", "my_st"), ("-fe", ".x y")])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_shell_reads_what_storescps_reads(
    storescp: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    tmp_path: Path,
    command: str,
    options: tuple[str, ...],
) -> None:
    out = tmp_path / "out"
    server = storescp("-xcr", shown(command, out), *options)
    for calling, called in TITLES:
        if " " in calling and '"#p 1' in command:
            continue  # storescp makes two words of it
        image = ct_image(64)
        peer = raw_peer(server)
        peer.associate(calling=calling, called=called)
        assert store(peer, image).status == 0
        peer.release()
        theirs = said(server, out)

        values = Values(str(server.inbox), extension=".x y" if "-fe" in options else "")
        values.study_directory = next((path.name for path in server.inbox.iterdir() if path.is_dir()), None)
        values.file = f"CT.{image.sop_instance_uid}{values.extension}"
        values.calling_aet, values.called_aet, values.peer = calling, called, "localhost"
        assert run(["/bin/sh", "-c", expand(shown(command, out), values)]).returncode == 0
        assert said(server, out) == theirs
        if values.study_directory:
            break  # the next study's directory is another one


def test_where_storescp_lets_a_title_add_words_it_is_one(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = shown('show "#p/#a"', out)
    server = storescp("-xcr", command)
    peer = raw_peer(server)
    peer.associate(calling="A -rf B")
    assert store(peer, ct_image(64)).status == 0
    peer.release()
    assert said(server, out) == [f"[{server.inbox}/A]", "[-rf]", "[B]", "end"]

    values = Values(str(server.inbox))
    values.calling_aet = "A -rf B"
    assert run(["/bin/sh", "-c", expand(command, values)]).returncode == 0
    assert said(server, out) == [f"[{server.inbox}/A_-rf_B]", "end"]
