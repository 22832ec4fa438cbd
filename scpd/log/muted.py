"""Records that are made, and look as they should, and go nowhere: for a rehearsal."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager

from scpd.log.lines import LineHandler
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def muted() -> Iterator[None]:
    """Let all handlers do all but write."""
    handlers = _handlers()
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    streams = [(each, each.stream) for each in handlers if isinstance(each, LineHandler)]
    others = [each for each in handlers if not isinstance(each, LineHandler)]
    try:
        for line_handler, _ in streams:
            line_handler.stream = Stream(null)
        for handler in others:
            handler.emit = handler.format  # type: ignore[method-assign, assignment]
        yield
    finally:
        for handler in others:
            del handler.emit
        for line_handler, stream in streams:
            line_handler.stream = stream
        os.close(null)


def _handlers() -> list[logging.Handler]:
    """List the handlers of all loggers."""
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    return list(dict.fromkeys(handler for logger in loggers for handler in logger.handlers))
