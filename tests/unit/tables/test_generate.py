from __future__ import annotations

from pathlib import Path

import pytest

from scpd.tables import generate, sop_classes, transfer_syntaxes, uid_names, uid_symbols

VERSIONS = {"known_to": "3.6.0,3.6.7,HEAD"}
KEYWORDS = {**generate.UNCOMPRESSED, **generate.COMPRESSED_BEST_FIRST, **generate.REFERENCED}


def text_of(module: object) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]


def test_the_committed_module_of_classes_is_what_its_contents_generate() -> None:
    rows = [
        {
            "uid": uid,
            "file_prefix": prefix,
            "in_man_3_6_0": "no",
            "listed_by": "3.6.7,HEAD" if uid in sop_classes.ACCEPTED else "-",
        }
        for uid, prefix in reversed(sop_classes.FILE_PREFIXES.items())
    ]
    assert generate.sop_classes(rows) == text_of(sop_classes)


def test_the_committed_module_of_names_is_what_its_contents_generate() -> None:
    rows = [{"uid": uid, "name": name, **VERSIONS} for uid, name in reversed(uid_names.UID_NAMES.items())]
    assert generate.uid_names(rows) == text_of(uid_names)


def test_the_committed_module_of_symbols_is_what_its_contents_generate() -> None:
    known = [
        {"uid": uid, "name": name, "keyword": "-", **VERSIONS} for uid, name in uid_names.UID_NAMES.items()
    ]
    others = [
        {"uid": uid, "name": name, "keyword": "-", "known_to": "3.6.0"}
        for name, uid in reversed(uid_symbols.OTHER_NAMES.items())
    ]
    assert generate.uid_symbols([*known, *others]) == text_of(uid_symbols)


def test_the_committed_module_of_syntaxes_is_what_its_contents_generate() -> None:
    rows = [
        {"uid": getattr(transfer_syntaxes, constant), "keyword": keyword, "kind": "transfer-syntax"}
        for constant, keyword in KEYWORDS.items()
    ]
    assert generate.transfer_syntaxes(rows) == text_of(transfer_syntaxes)


@pytest.mark.parametrize(
    ("in_manual", "listed_by", "accepted"),
    [
        ("yes", "3.6.0", True),
        ("yes", "3.6.0,3.6.7,HEAD", True),
        ("no", "HEAD", True),
        ("no", "3.6.7", False),
        ("no", "-", False),
    ],
)
def test_a_class_is_accepted_if_the_manual_or_the_newest_version_lists_it(
    in_manual: str, listed_by: str, accepted: bool
) -> None:
    row = {"uid": "1.2", "file_prefix": "XX", "in_man_3_6_0": in_manual, "listed_by": listed_by}
    names: dict[str, frozenset[str]] = {}
    exec(generate.sop_classes([row]), names)
    assert ("1.2" in names["ACCEPTED"]) is accepted


def test_a_uid_with_several_names_gets_that_of_the_reference_version() -> None:
    rows = [
        {"uid": "1.2", "name": "Newest", "known_to": "HEAD"},
        {"uid": "1.2", "name": "Reference", "known_to": "3.6.7"},
        {"uid": "1.2", "name": "Oldest", "known_to": "3.6.0"},
        {"uid": "1.10", "name": "Retired", "known_to": "3.6.0"},
        {"uid": "1.10", "name": "Renamed", "known_to": "HEAD"},
    ]
    names: dict[str, dict[str, str]] = {}
    exec(generate.uid_names(rows), names)
    assert names["UID_NAMES"] == {"1.2": "Reference", "1.10": "Renamed"}


def test_symbols_are_the_other_names_and_the_keywords_and_take_no_name_away() -> None:
    rows = [
        {"uid": "1.2", "name": "Newest", "keyword": "Word", "known_to": "HEAD"},
        {"uid": "1.2", "name": "Reference", "keyword": "Word", "known_to": "3.6.7"},
        {"uid": "1.3", "name": "Same", "keyword": "Same", "known_to": "HEAD"},
        {"uid": "1.4", "name": "Other", "keyword": "Reference", "known_to": "HEAD"},
    ]
    names: dict[str, dict[str, str]] = {}
    exec(generate.uid_symbols(rows), names)
    assert names["OTHER_NAMES"] == {"Newest": "1.2", "Word": "1.2"}


def test_a_syntax_that_the_tables_lack_stops_it() -> None:
    with pytest.raises(KeyError):
        generate.transfer_syntaxes([])


def test_called_wrongly_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([]) == 2
    assert "TSV_DIR" in capsys.readouterr().err
