"""A record as one JSON object on one line, for containers and log collectors.

Every object has the same members: `time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `message`, `pid`,
`association`, `calling_aet`, `called_aet`, `peer`, `tls_subject` (whose certificate it has), `study` (that of the
object at hand) and `status`; what is not known is null.  A message of many lines stays one object, and beyond ASCII
everything is escaped.
"""

from __future__ import annotations

import json
import logging
import os

from scpd.log.association import FIELDS
from scpd.log.escape import text_of
from scpd.log.frames import utc
from scpd.log.levels import word_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.log.association import Association


class JsonLayout(logging.Formatter):
    """Makes a line of a record."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, with its line feed."""
        association = self._association
        members: dict[str, object] = {
            "time": utc(record.created),
            "level": word_of(record.levelno),
            "logger": record.name,
            "message": text_of(record),
            "pid": os.getpid(),
            "association": association.id or None,
        }
        for field in FIELDS:
            members[field] = getattr(association, field) or None
        return json.dumps(members) + "\n"
