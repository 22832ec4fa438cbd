"""What a manual page says, and what the code says that it is about: to compare them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_EXAMPLE = re.compile(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", re.DOTALL | re.MULTILINE)
_SENTENCE = re.compile(r"[A-Za-z-]+ +[A-Za-z\[(']")


def plain(text: str) -> str:
    """The letters that escapes of mdoc stand for."""
    return text.replace(r"\(dq", '"').replace(r"\e", "\\").replace(r"\&", "").replace(r"\-", "-")


def section(text: str, name: str) -> str:
    """A section of a page, subsections included, in plain letters."""
    return plain(text.partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0])


def subsection(text: str, name: str) -> str:
    """A subsection of a page, in plain letters."""
    return plain(re.split(r"^\.S[hs] ", text.partition(f"\n.Ss {name}\n")[2], flags=re.MULTILINE)[0])


def examples(text: str) -> list[str]:
    """Every display of a page."""
    return [plain(display) for display in _EXAMPLE.findall(text)]


def sayings(paths: Iterable[Path]) -> Iterator[str]:
    """The texts in the code that are for people: each piece of several words that is no docstring."""
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                piece = node.value.strip()
                if _SENTENCE.search(piece):
                    yield piece
