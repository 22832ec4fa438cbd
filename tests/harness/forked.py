"""Small lives in forked children: for what a process can do to itself but once, or what only its end shows."""

from __future__ import annotations

import json
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LIFE_SECONDS = 60


def forked(life: Callable[[], int]) -> int:
    """Give the process id of a child that lives so and ends with that exit code; 255 if it raises."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            signal.alarm(LONGEST_LIFE_SECONDS)
            code = life()
        except BaseException:  # noqa: BLE001  (nothing of the parent's stack may be unwound here)
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended(life: Callable[[], int]) -> int:
    """Give the process id of a child that has ended and was not reaped."""
    pid = forked(life)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def exit_code(pid: int) -> int:
    """Reap a child; give its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(work: Callable[[], object]) -> Any:
    """Give what `work()` gives in a forked child, by way of JSON; AssertionError with its traceback if it raises."""
    return _checked(_answer(*_asked(work)))


def all_at_once(count: int, work: Callable[[int], object]) -> list[Any]:
    """Give what `work(number)` gives in each of so many forked children that begin together, as `in_child` does."""
    start, starter = os.pipe()

    def begin(number: int) -> object:
        os.close(starter)
        os.read(start, 1)  # ends when the parent closes the other end
        return work(number)

    children = [_asked(lambda number=number: begin(number)) for number in range(count)]
    os.close(start)
    os.close(starter)
    answers = [_answer(*child) for child in children]
    return [_checked(answer) for answer in answers]


def _asked(work: Callable[[], object]) -> tuple[int, int]:
    """Give the process id of a child, and the descriptor from which its answer is read."""
    reader, writer = os.pipe()

    def life() -> int:
        os.close(reader)
        try:
            answer, code = json.dumps(work()), 0
        except BaseException:  # noqa: BLE001  (told to the parent)
            answer, code = traceback.format_exc(), 1
        os.write(writer, answer.encode())
        return code

    pid = forked(life)
    os.close(writer)
    return pid, reader


def _answer(pid: int, reader: int) -> tuple[int, str]:
    """Give the exit code of a child, and what it said."""
    with open(reader, encoding="utf-8") as file:
        said = file.read()
    return exit_code(pid), said


def _checked(answer: tuple[int, str]) -> Any:
    code, said = answer
    assert code == 0, f"the child ended by {code}: {said}"
    return json.loads(said)
