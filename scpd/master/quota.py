"""How many connections each host has here, and whether one more may come.

Pure: knows neither sockets nor processes.  A host is whatever it is called by, an address; one with no connection
takes no room.
"""

from __future__ import annotations


class Quota:
    """Counts connections by host, up to `most` of each."""

    __slots__ = ("_counts", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: dict[str, int] = {}

    def count(self, host: str) -> int:
        """Give how many this host has."""
        return self._counts.get(host, 0)

    def take(self, host: str) -> bool:
        """Count one more of this host; `False`, and not counted, if it has all that it may have."""
        count = self._counts.get(host, 0)
        if count >= self.most:
            return False
        self._counts[host] = count + 1
        return True

    def add(self, host: str) -> None:
        """Count one more of this host that is here already, however many there are."""
        self._counts[host] = self.count(host) + 1

    def give_back(self, host: str) -> None:
        """Count one less of a host that has some."""
        count = self._counts[host]
        if count > 1:
            self._counts[host] = count - 1
        else:
            del self._counts[host]
