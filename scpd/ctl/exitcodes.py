"""The exit codes of scpctl; what argparse gives for a wrong command line is one of them."""

from __future__ import annotations

SUCCESS = 0
FAILURE = 1
USAGE = 2
NOTHING_TO_KEEP = 3  # no failure to a service manager: scpd-keeper.service
INTERRUPTED = 130
