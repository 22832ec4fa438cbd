"""The one table: rows of results, as aligned text or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.load import Result

WORKLOAD, OPTIONS, RATIO, OUT_OF_THE_BOX_RATIO, VERDICT = (
    "workload", "options", "ratio (floor)", "to out of the box", "",
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """A value that must reach its floor (0: none), or stay under its ceiling."""

    value: float
    limit: float
    column: str = RATIO
    unit: str = ""
    ceiling: bool = False

    @property
    def passed(self) -> bool:
        """Whether it does."""
        return self.value < self.limit if self.ceiling else self.value >= self.limit

    def __str__(self) -> str:
        """Value and limit, as in `2.31 (1.5)`."""
        if not self.limit:
            return f"{self.value:.2f}"
        sign = "< " if self.ceiling else ""
        return f"{self.value:.{2 if self.value < 10 else 1}f}{self.unit} ({sign}{self.limit:g})"


@dataclass
class Row:
    """One workload: a cell for each column that has something to say, and what must hold."""

    title: str
    options: str = ""
    failed: bool = False
    cells: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def all_cells(self) -> dict[str, str]:
        """Return the cells with title, ratios and verdict."""
        ratios = {check.column: str(check) for check in self.checks}
        return (
            {WORKLOAD: self.title, OPTIONS: self.options} | self.cells | ratios | {VERDICT: self._verdict()}
        )

    def _verdict(self) -> str:
        if self.failed:
            return "FAILED"
        if not any(check.limit for check in self.checks):
            return ""
        return "pass" if self.passed else "BELOW"

    @property
    def passed(self) -> bool:
        """Whether every check passed; a row that could not be compared did not."""
        return bool(self.checks) and all(check.passed for check in self.checks)


def rate(objects_per_second: float, megabytes_per_second: float) -> str:
    """Both rates in one cell."""
    digits = 0 if objects_per_second >= 10 else 2
    return f"{objects_per_second:.{digits}f} / {megabytes_per_second:.0f}"


def rates_of(result: Result) -> str:
    """Both rates of one run."""
    return rate(result.objects_per_second, result.megabytes_per_second)


def table(rows: list[Row], headings: list[str], *, markdown: bool) -> str:
    """All rows under the columns that any of them uses; `headings` are the servers, in order."""
    cells = [row.all_cells() for row in rows]
    wanted = [WORKLOAD, OPTIONS, *headings, RATIO, OUT_OF_THE_BOX_RATIO, VERDICT]
    columns = [column for column in wanted if any(column in each for each in cells)]
    lines = [columns, *([each.get(column, "") for column in columns] for each in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    text.insert(1, ["-" * width for width in widths])
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in text)
    return "\n".join("  ".join(line).rstrip() for line in text)
