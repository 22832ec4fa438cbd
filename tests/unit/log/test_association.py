"""Whose line it is."""

from __future__ import annotations

from scpd.log.association import FIELDS, Association


def test_nobody_is_served_at_first() -> None:
    association = Association()
    assert [association.id, *(getattr(association, field) for field in FIELDS)] == [""] * 7


def test_each_association_has_an_id_of_its_own_and_nothing_of_the_one_before() -> None:
    association = Association()
    ids = set()
    for _ in range(20):
        association.begin("peer")
        assert (association.peer, association.study) == ("peer", "")
        association.study = "1.2"
        ids.add(association.id)
    assert len(ids) == 20
    assert {len(bytes.fromhex(each)) for each in ids} == {3}
    association.end()
    assert (association.id, association.peer) == ("", "")


def test_whose_certificate_it_is_is_asked_once_and_only_if_somebody_wants_to_know() -> None:
    asked = []

    def ask() -> str:
        asked.append("")
        return "CN=" + "x" * 300

    association = Association()
    association.begin("peer")
    association.secure(ask)
    assert asked == []
    assert {association.tls_subject for _ in range(3)} == {"CN=" + "x" * 253}
    assert len(asked) == 1
    association.begin("another")
    assert association.tls_subject == ""
