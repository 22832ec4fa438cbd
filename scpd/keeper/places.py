"""The output directories in which a record's files may lie: the daemon's, and those that --peers gives to titles.

A record names its *place*, "" for the daemon's output directory.  Records are hostile, so a place counts only if the
keeper's own options have it: no path is ever made of what a record says.  Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Places:
    """Those of one lock directory."""

    __slots__ = ("_paths",)

    def __init__(self, output_directory: str, others: Iterable[str] = ()) -> None:
        self._paths = {**{path: path for path in others}, "": output_directory}

    def __contains__(self, place: str) -> bool:
        return place in self._paths

    def __getitem__(self, place: str) -> str:
        """Give the path of a place; `KeyError` if it is none."""
        return self._paths[place]
