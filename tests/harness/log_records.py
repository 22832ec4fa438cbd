"""Records for the tests of layouts, filters and handlers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scpd.log.escape import make_record

if TYPE_CHECKING:
    from collections.abc import Callable

# 2026-11-23 11:41:24.426375 UTC.
MOMENT = 1795434084.426375


def a_record(
    text: str = "text", *arguments: object, level: int = logging.INFO, name: str = "dcmtk.apps.storescp"
) -> logging.LogRecord:
    record = make_record(name, level, "/src/serve.py", 7, text, arguments, None, "serve")
    record.created = MOMENT
    record.relativeCreated = 43.9
    return record


def complaints() -> tuple[list[tuple[str, str]], Callable[[str, str], None]]:
    """A list, and what puts severity and text into it."""
    found: list[tuple[str, str]] = []
    return found, lambda severity, text: found.append((severity, text))
