"""The files that TLS needs, read once, and what the program before us in this process had read of them.

A master that renews itself has given up root: what it cannot read any more is taken over as it was.  Nothing else is:
a file that is gone, or that makes no sense, keeps a renewal from happening.

Raises `StartError`.
"""

from __future__ import annotations

import os
import re

from scpd.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# As `openssl rehash` names certificates and, with an r, revocation lists.
_HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")


class Files:
    """Contents by path: `read` has all that were asked for, `kept` why some of them are those of before."""

    __slots__ = ("_former", "kept", "read")

    def __init__(self, former: Mapping[str, bytes]) -> None:
        self._former = former
        self.read: dict[str, bytes] = {}
        self.kept: dict[str, str] = {}

    def content(self, path: str) -> bytes:
        """Give what a file has, or had when we could still read it."""
        try:
            with open(path, "rb") as file:
                content = file.read()
        except PermissionError as error:
            if path not in self._former:
                raise StartError(f"cannot read {path}: {error.strerror}") from None
            content = self._former[path]
            self.kept[path] = str(error.strerror)
        except (OSError, ValueError) as error:
            raise StartError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        self.read[path] = content
        return content

    def hashed(self, directory: str) -> dict[str, bytes]:
        """Give the files of a hashed directory by their paths, in the order of their names."""
        try:
            names = [name for name in os.listdir(directory) if _HASHED.fullmatch(name)]
        except PermissionError as error:
            names = self._former_names(directory)
            if not names:
                raise StartError(f"cannot read {directory}: {error.strerror}") from None
            self.kept[directory] = str(error.strerror)
        except (OSError, ValueError) as error:
            raise StartError(
                f"cannot read {directory}: {getattr(error, 'strerror', None) or error}"
            ) from None
        paths = [os.path.join(directory, name) for name in sorted(names)]
        return {path: self.content(path) for path in paths}

    def _former_names(self, directory: str) -> list[str]:
        folder = os.path.join(directory, "")
        names = (path.removeprefix(folder) for path in self._former if path.startswith(folder))
        return [name for name in names if _HASHED.fullmatch(name)]
