"""A lock directory for the tests of this room."""

from tests.harness.lockdirs import lockdir, no_descriptor_is_left_open, path

__all__ = ["lockdir", "no_descriptor_is_left_open", "path"]
