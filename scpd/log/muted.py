"""Records that are made, and look as they should, and go nowhere: for a rehearsal."""

from __future__ import annotations

import logging
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def muted() -> Iterator[None]:
    """Let the handlers of all loggers do all but write."""
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    for handler in handlers:
        handler.emit = handler.format  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for handler in handlers:
            del handler.emit
