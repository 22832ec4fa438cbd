"""scpd_profiles(5) has every part, key, role and fault, and its example is a file without one."""

from __future__ import annotations

import ast
import re

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.ul import profile_lists, profiles
from scpd.ul.roles import ANSWERS
from tests.harness.manual_texts import examples, plain, sayings, section, subsection

TEXT = (MANUALS / "scpd_profiles.5").read_text(encoding="utf-8")
ROOM = MANUALS.parent / "scpd" / "ul"
SOURCES = [ROOM / f"{name}.py" for name in ("asconfig", "profiles", "profile_lists", "profile_file")]
PARTS = re.findall(r"^\.Ss \[\[(\w+)\]\]\\&$", TEXT, re.MULTILINE)
# What the page has a word for each of.
INSERTED = {"role selection", "extended negotiation"}
# Around the faults of a file: in its example of a line.
AROUND = {"cannot read config file:", "more)", "(and"}
ROLES_GIVEN = {"none": (0, 0), "SCU": (1, 0), "SCP": (0, 1), "both": (1, 1)}


def numbered_keys() -> set[str]:
    """The second argument of each `reader.read(sections(...), KEY, ...)`."""
    tree = ast.parse((ROOM / "profiles.py").read_text(encoding="utf-8"))
    return {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "read"
        and len(node.args) == 3
        and isinstance(node.args[1], ast.Constant)
    }


def test_every_part_has_its_subsection() -> None:
    known = {
        value for name, value in vars(profiles).items() if name.startswith("_") and isinstance(value, str)
    }
    assert {part.upper() for part in PARTS} == {name for name in known if name.isupper() and name.isalpha()}


def test_every_key_of_a_list_has_its_item() -> None:
    items = re.findall(r"^\.It Cm (\w+) Ns Ar N ", TEXT, re.MULTILINE)
    assert sorted(item.upper() for item in items) == sorted(numbered_keys())
    assert len(items) == 4


def test_every_key_of_a_profile_has_its_item() -> None:
    items = re.findall(r"^\.It Cm (\w+) ", subsection(TEXT, r"[[Profiles]]\&"), re.MULTILINE)
    assert [item.upper() for item in items] == [profiles._CONTEXTS, profiles._ROLES, profiles._EXTENDED]


@pytest.mark.parametrize("role", profile_lists.ROLES)
def test_every_role_is_answered_as_it_says(role: str) -> None:
    (cells,) = re.findall(
        rf"^\.It Cm {role} Ta (.*)$", subsection(TEXT, r"[[SCPSCURoleSelection]]\&"), re.MULTILINE
    )
    told = [ROLES_GIVEN[cell] for cell in cells.split(" Ta ")[:3]]
    assert told == [ANSWERS[role][proposed] for proposed in ("SCU", "SCP", "BOTH")]


def test_the_faults_are_found() -> None:
    assert len(set(sayings(SOURCES))) > 30


@pytest.mark.parametrize("text", sorted(set(sayings(SOURCES)) - INSERTED))
def test_every_fault_has_its_line(text: str) -> None:
    assert text in section(TEXT, "DIAGNOSTICS") or text in AROUND


def test_its_example_has_the_profile_that_it_says() -> None:
    (text,) = [example for example in examples(TEXT) if example.startswith("[[TransferSyntaxes]]")]
    config = profiles.parse(text)
    assert config.faults == []
    assert len(config.profile("ct").transfer_syntaxes) == 3


def test_what_is_added_to_the_example_fits() -> None:
    first, added, lines, _ = examples(TEXT)
    config = profiles.parse(first + lines + added)
    assert config.faults == []
    profile = config.profile("CT")
    assert set(profile.roles.values()) == {"SCU"}
    assert [len(data) for _, data in profile.extended] == [6]


def test_a_name_of_every_kind_that_it_gives_is_one() -> None:
    told = re.findall(r"^\.(?:Pq )?Li ([\w.]+)(?: , (\w+))?", subsection(TEXT, "UIDs"), re.MULTILINE)
    names = [name for pair in told for name in pair if name]
    text = "[[TransferSyntaxes]]\n[A]\n" + "".join(
        f"TransferSyntax{number} = {name}\n" for number, name in enumerate(names, 1)
    )
    config = profiles.parse(plain(text))
    assert len(names) == 6
    assert [fault.text for fault in config.faults if fault.line] == []
