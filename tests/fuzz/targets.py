"""Every target by its name."""

from __future__ import annotations

from tests.fuzz import data_set_targets, record_targets, text_targets, tls_targets, wire_targets

TARGETS = {
    target.name: target
    for room in (wire_targets, tls_targets, data_set_targets, text_targets, record_targets)
    for target in room.TARGETS
}
