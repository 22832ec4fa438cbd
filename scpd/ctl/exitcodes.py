"""The exit codes of scpctl; what argparse gives for a wrong command line is one of them."""

from __future__ import annotations

SUCCESS = 0
FAILURE = 1
USAGE = 2
INTERRUPTED = 130
