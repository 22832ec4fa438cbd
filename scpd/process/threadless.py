"""`logging`, and with it `threading`, without what they do after every fork.

Both renew their locks and tables in every forked child, object by object: a tenth of the pages that a fresh worker
copies, and of the time until it stands by (`python -m bench --only associations`).  scpd has no threads, so no lock is
held at a fork and no table is stale.  Both modules do without where the system lacks `os.register_at_fork`; this shows
them such a system.
"""

from __future__ import annotations

import os


def import_logging() -> None:
    """Import `logging`; to be called before anything else imports it."""
    register = os.register_at_fork
    del os.register_at_fork
    try:
        import logging  # noqa: F401  (imported for what it does not do then)
    finally:
        os.register_at_fork = register
