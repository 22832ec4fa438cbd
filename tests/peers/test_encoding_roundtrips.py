"""What scpd writes is read by others: pydicom and dcmdump, and by scpd itself, forth and back, with the same values."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import wire
from tests.harness.clients import run
from tests.harness.corpus import UNCOMPRESSED, Tree, oddities, stored
from tests.harness.deliveries import LARGEST_PDU, deliver, profile
from tests.harness.objects import StorableObject, data_set_bytes, file_meta
from tests.harness.programs import real_program
from tests.harness.trees import swapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

    Connect = Callable[..., RawPeer]
    Encode = Callable[[str, Mapping[str, StorableObject]], dict[str, bytes]]

ILE, ELE, EBE, DEFLATED = UNCOMPRESSED
OPTIONS = ["", "+te -e", "+tb +g", "+ti -e -g", "+td +cl 9", "+te +p 512 32", "-u +tb"]
# What names no VR that pydicom could read a value by, or has bytes that are none of a value.
UNREADABLE = re.compile(r"VR '|every VR$|rest|odd |group length of another|superfluous|delimiters with")
DUMPED_ERROR = re.compile(r"^E: .*", re.MULTILINE)


@pytest.fixture
def encode(scpd: ServerFactory, raw_peer: Connect, tmp_path: Path) -> Encode:
    """`encode(options, objects)` gives the files that scpd makes of objects."""

    def send(options: str, objects: Mapping[str, StorableObject]) -> dict[str, bytes]:
        accepting = profile(tmp_path, list(objects.values()))
        server = scpd("--no-fsync", *accepting, "-pdu", LARGEST_PDU, *options.split())
        outcomes = deliver(raw_peer, server, objects)
        assert {outcome.status for outcome in outcomes.values()} == {0}, server.stderr
        return {name: outcome.content or b"" for name, outcome in outcomes.items()}

    return send


def objects_of(trees: list[Tree], *syntaxes: str) -> dict[str, StorableObject]:
    found = {}
    for number, tree in enumerate(trees):
        for syntax in set(syntaxes) & set(tree.syntaxes):
            uid = f"1.2.826.0.1.3680043.9.9997.{number}.{UNCOMPRESSED.index(syntax)}"
            found[f"{tree.name} in {syntax}"] = stored(tree, syntax, uid)
    return found


def readable() -> list[Tree]:
    return [tree for tree in oddities() if not UNREADABLE.search(tree.name)]


def walked(content: bytes) -> list[tuple[int, int, str, Any]]:
    """Read a file by pydicom down to its last item: depth, tag, VR and raw value of each element."""
    import pydicom

    def walk(data_set: Any, depth: int) -> list[tuple[int, int, str, Any]]:
        found = []
        for element in data_set:
            if element.VR == "SQ":
                found.append((depth, int(element.tag), "SQ", len(element.value)))
                for item in element.value:
                    found += walk(item, depth + 1)
            else:
                found.append((depth, int(element.tag), element.VR, element.value))
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values of every kind are in there, not only good ones
        data_set = pydicom.dcmread(BytesIO(content))
        is_big = data_set.file_meta.TransferSyntaxUID == EBE
        found = walk(data_set, 0)
    # Words are given as they stand in the file.
    return [
        (depth, tag, vr, swapped(value, vr) if is_big and isinstance(value, bytes) else value)
        for depth, tag, vr, value in found
    ]


@pytest.mark.parametrize("options", OPTIONS)
def test_pydicom_and_dcmdump_read_every_output(encode: Encode, tmp_path: Path, options: str) -> None:
    files = encode(options, objects_of(readable(), ILE, ELE))
    paths = []
    for number, (name, content) in enumerate(files.items()):
        assert walked(content), name
        paths.append(tmp_path / f"{number:04}.dcm")
        paths[-1].write_bytes(content)
    result = run([real_program("dcmdump"), "-q", *map(str, paths)])
    assert DUMPED_ERROR.findall(result.stdout + result.stderr) == []
    assert result.returncode == 0


@pytest.mark.parametrize("between", ["+ti", "+tb", "+td", "+ti -e +g"])
def test_values_survive_the_way_there_and_back(encode: Encode, between: str) -> None:
    """Those of known tags, of VRs that the dictionary has; padding and text have been made right on the first way."""
    first = encode("+te -g", objects_of(known_alone(), ELE))
    there = encode(between, {name: sent_again(content) for name, content in first.items()})
    back = encode("+te -g", {name: sent_again(content) for name, content in there.items()})
    assert {name: data_set_bytes(content) for name, content in back.items()} == {
        name: data_set_bytes(content) for name, content in first.items()
    }


def known_alone() -> list[Tree]:
    """Trees whose VRs can be found again where none is written: those of the dictionary, each by its tag alone."""
    unknown = (
        "UN",
        "VR ",
        "unknown",
        "other than",
        "creator",
        "of another VR",
        "private",
        "pixel data",
        "overlay",
    )
    unsaid = (
        "curve",
        "LUT data as US",
        "waveform of 8",
        "without",
        "icon",
        "variable",
        "every VR",
        "numbers",
    )
    return [tree for tree in readable() if not any(word in tree.name for word in (*unknown, *unsaid))]


def sent_again(content: bytes) -> StorableObject:
    meta = file_meta(content)
    uids = [wire.uid(meta[number].value) for number in (0x0002, 0x0003, 0x0010)]
    return StorableObject(*uids, data_set_bytes(content))


def test_pydicom_finds_the_same_values_in_every_transfer_syntax(encode: Encode) -> None:
    objects = objects_of(known_alone(), ELE)
    expected = {name: walked(content) for name, content in encode("+te -g", objects).items()}
    assert len(expected) > 20
    for options in ("+tb -g", "+ti -g", "+td -g"):
        found = {name: walked(content) for name, content in encode(options, objects).items()}
        assert found == expected
