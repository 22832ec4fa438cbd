"""The files that a list names by their path: words between white space, each a pattern for a host.

No comments, no EXCEPT, no `user@`: libwrap takes them for patterns, and `# block ALL of them` matches everybody.  Here
they are faults.
"""

from __future__ import annotations

from scpd.access.findings import AND_MORE, MOST_FAULTS, Fault, Finding
from scpd.access.match import InFile
from scpd.access.patterns import host_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.access.match import HostPattern

_LONGEST_WORD = 2047


class PatternFile:
    """What a pattern file says; `mentions` are the files that it names, each with its line."""

    __slots__ = ("_faults", "_path", "findings", "mentions", "patterns")

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._faults = 0
        self.findings: list[Finding] = []
        self.mentions: dict[str, int] = {}
        self.patterns: list[HostPattern] = []
        for number, line in enumerate(data.split(b"\n"), 1):
            for word in line.split():
                if self._faults >= MOST_FAULTS:
                    self.findings.append(Finding(path, number, "", AND_MORE))
                    return
                self._add(number, word.decode("latin-1"))

    def _add(self, number: int, word: str) -> None:
        try:
            _check(word)
            pattern = host_pattern(
                word, lambda fault: self._note(number, fault, is_fault=False), in_file=True
            )
        except Fault as fault:
            self._note(number, fault, is_fault=True)
            self._faults += 1
            return
        self.patterns.append(pattern)
        if isinstance(pattern, InFile):
            self.mentions.setdefault(pattern.path, number)

    def _note(self, line: int, fault: Fault, *, is_fault: bool) -> None:
        self.findings.append(Finding(self._path, line, fault.text, fault.remedy, is_fault))


def _check(word: str) -> None:
    if word.startswith("#"):
        raise Fault(word, "a pattern file has no comments: every word would be a pattern")
    if "," in word:
        raise Fault(word, "words of a pattern file stand between blanks, not commas")
    if word.lower() == "except":
        raise Fault(word, "a pattern file has no EXCEPT: write it behind the path, in the table")
    if "@" in word[1:]:
        raise Fault(word, "a pattern file has no users: write user@/path in the table")
    if len(word) > _LONGEST_WORD:
        raise Fault(word[:40], f"a word of more than {_LONGEST_WORD} bytes")
