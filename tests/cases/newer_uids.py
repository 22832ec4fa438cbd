"""What DCMTK 3.6.7 does not know or not list, and scpd does: the deliberate differences of negotiation."""

from __future__ import annotations

STORAGE = "1.2.840.10008.5.1.4.1.1."
TRANSFER = "1.2.840.10008.1.2."

# Storage classes that DCMTK lists since 3.6.7: from its newest list.
NEWER_CLASSES = frozenset(
    STORAGE + end
    for end in [
        "6.3",
        "9.1.4",
        "9.100.1",
        "9.100.2",
        "11.12",
        "66.7",
        "66.8",
        "77.1.8",
        "77.1.9",
        "88.77",
        "481.23",
        "481.24",
        "481.25",
        "601.3",
        "601.4",
        "601.5",
    ]
)

# Listed by the manual page of 3.6.0, and no longer by 3.6.7: the implant templates.
DROPPED_CLASSES = frozenset(f"1.2.840.10008.5.1.4.{number}.1" for number in (43, 44, 45))

# Storage classes that storescp knows by name but never lists, not even with --promiscuous (3.6.7 does not know
# Inventory): hanging protocol, colour palette, defined procedure protocols, protocol approval.
FORGOTTEN_CLASSES = frozenset(
    (
        *(STORAGE + end for end in ("200.1", "200.3", "200.7", "201.1")),
        "1.2.840.10008.5.1.4.38.1",
        "1.2.840.10008.5.1.4.39.1",
    )
)

# Transfer syntaxes of --accept-all that 3.6.7 does not know: those of 3.7.0.
NEWER_SYNTAXES = frozenset(
    TRANSFER + end
    for end in [
        "4.100.1",
        "4.101.1",
        "4.102.1",
        "4.103.1",
        "4.104.1",
        "4.105.1",
        "4.106.1",
        "4.201",
        "4.202",
        "4.203",
        "4.110",
        "4.111",
        "4.112",
        "8.1",
        "1.98",
    ]
)

# Every UID in scpd's table of names that is not in 3.6.7's: to its --promiscuous they are unknown.
UNKNOWN_TO_367 = (
    NEWER_CLASSES
    | NEWER_SYNTAXES
    | frozenset(TRANSFER + end for end in ("4.204", "4.205"))
    | frozenset(STORAGE + f"201.{end}" for end in ("1", "1.1", "2", "3", "4", "5", "6"))
    | {"1.2.840.10008.5.1.4.38.4"}
)
