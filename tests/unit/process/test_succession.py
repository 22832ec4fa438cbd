"""Succession, by small programs that execute themselves; what they say is what the test looks at."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from ast import literal_eval
from typing import TYPE_CHECKING, Any

import pytest

from scpd.errors import StartError
from scpd.process.succession import DESCRIPTORS, VARIABLE, Program
from tests.harness.forked import in_child
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# A program that begins with nothing, and the words that a test gives for what it does then and what its successor does.
_PROGRAM = """
import os, signal, sys
from scpd.process.succession import DESCRIPTORS, Program
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
program = Program(os.environ, os.getpid(), ("PASSING",))

def say(**what):
    os.write(1, repr({{"pid": os.getpid(), **what}}).encode() + b"\\n")

if program.estate is None:
    {first}
else:
    {then}
"""


def said_by(folder: Path, first: str, then: str, *words: str, **environment: str) -> list[dict[str, Any]]:
    """Give what such a program says, from the first line to the last."""
    path = folder / "program.py"
    path.write_text(
        _PROGRAM.format(first=first.replace("\n", "\n    "), then=then.replace("\n", "\n    ")),
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "program.py", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return [literal_eval(line.decode()) for line in ran.stdout.splitlines()]


HAND_ON = """\
reader, writer = os.pipe()
os.write(writer, b"left")
say(numbers=[reader, writer])
program.execute({"words": ["\\udcff", 1.5, None, True], DESCRIPTORS: [reader]})"""

TAKE = """\
say(
    estate=program.estate,
    left=os.read(program.estate[DESCRIPTORS][0], 9),
    inherits=[os.get_inheritable(number) for number in program.estate[DESCRIPTORS]],
    files=sorted(map(int, os.listdir("/proc/self/fd"))),
    words=sys.argv[1:],
    variables={name: os.environ.get(name) for name in ("PASSING", "STAYING", "SCPD_SUCCESSION")},
    must=program.has_to_succeed(),
    asked=program.is_asked(),
)"""


def test_the_successor_has_what_was_left_and_nothing_else(tmp_path: Path) -> None:
    before, after = said_by(tmp_path, HAND_ON, TAKE, "--option", "\udcfe", PASSING="1", STAYING="2")
    assert after["pid"] == before["pid"]
    assert after["estate"]["words"] == ["\udcff", 1.5, None, True]
    assert after["left"] == b"left"
    assert after["inherits"] == [False]
    # Standard streams, what was left, and the directory that is being read.
    assert len(after["files"]) == 5
    assert before["numbers"][0] in after["files"]
    assert after["words"] == ["--option", "\udcfe"]
    assert after["variables"] == {"PASSING": None, "STAYING": "2", "SCPD_SUCCESSION": None}
    assert (after["must"], after["asked"]) == (True, False)


def test_who_is_asked_is_another_process_with_one_word_more(tmp_path: Path) -> None:
    ask = """\
reader, writer = os.pipe()
os.write(writer, b"left")
if not os.fork():
    program.check({DESCRIPTORS: [reader]})
os.wait()
say(still=os.get_inheritable(reader))"""
    asked, asking = said_by(tmp_path, ask, TAKE, "--option")
    assert asked["pid"] != asking["pid"]
    assert asked["words"] == ["--option", "--check-config"]
    assert (asked["must"], asked["asked"]) == (False, True)
    assert asked["left"] == b"left"
    assert not asking["still"]


def test_who_is_asked_hears_all_signals_and_a_successor_what_was_held_back(tmp_path: Path) -> None:
    first = """\
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1,))
if not os.fork():
    program.check({DESCRIPTORS: []})
os.wait()
os.kill(os.getpid(), signal.SIGTERM)
program.execute({DESCRIPTORS: []})"""
    then = """\
mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
say(asked=program.is_asked(), is_held=signal.SIGUSR1 in mask, pending=[int(each) for each in signal.sigpending()])"""
    said = said_by(tmp_path, first, then)
    assert [(each["asked"], each["is_held"], each["pending"]) for each in said] == [
        (True, False, []),
        (False, True, [int(signal.SIGTERM)]),
    ]


def test_who_fails_tries_again_until_it_works(tmp_path: Path) -> None:
    then = """\
say(estate=program.estate["words"])
if len(program.estate["words"]) and not os.path.exists("works"):
    open("works", "w").close()
    program.try_again()
os.read(program.estate[DESCRIPTORS][0], 9)
program.has_succeeded()
say(must=program.has_to_succeed())
program.try_again()"""
    said = said_by(tmp_path, HAND_ON, then)
    assert [sorted(each) for each in said] == [
        ["numbers", "pid"],
        ["estate", "pid"],
        ["estate", "pid"],
        ["must", "pid"],
    ]
    assert len({each["pid"] for each in said}) == 1
    assert said[1] == said[2]
    assert said[-1]["must"] is False


def test_who_tries_again_while_there_is_no_program_goes_on_trying(tmp_path: Path) -> None:
    # sys.executable is not what is executed later: Program has kept it from its own start.
    then = """\
if not os.path.exists("moved"):
    open("moved", "w").close()
    os.environ["X"] = ""
    program._words = ("/nonexistent", *program._words[1:])
    os.kill(os.getpid(), signal.SIGALRM) if False else signal.setitimer(signal.ITIMER_REAL, 1.5)
    def restore(*_):
        program._words = (sys.executable, *program._words[1:])
    signal.signal(signal.SIGALRM, restore)
    program.try_again()
say(pending=True)"""
    assert len(said_by(tmp_path, HAND_ON, then)) == 2


def test_who_is_told_to_end_does_not_try_again(tmp_path: Path) -> None:
    then = """\
os.kill(os.getpid(), signal.SIGTERM)
program.try_again()
say(ends=True)"""
    assert said_by(tmp_path, HAND_ON, then)[-1]["ends"]


def test_a_successor_knows_the_umask_of_the_first_start(tmp_path: Path) -> None:
    first = "os.umask(0o27)\nprogram = Program({**os.environ}, os.getpid())\nos.umask(0o77)\n" + HAND_ON
    assert said_by(tmp_path, first, "say(umask=program.umask)")[-1]["umask"] == 0o27


def test_a_successor_has_the_command_files_and_what_it_read_passes_on(tmp_path: Path) -> None:
    first = 'program.command_files["one"] = "-v \\udcff"\n' + HAND_ON
    then = """\
say(files=program.command_files)
if "two" not in program.command_files:
    program.command_files["two"] = ""
    program.try_again()"""
    assert [each["files"] for each in said_by(tmp_path, first, then)[1:]] == [
        {"one": "-v \udcff"},
        {"one": "-v \udcff", "two": ""},
    ]


def test_it_is_only_for_the_process_of_that_id() -> None:
    environment = {VARIABLE: f"{os.getpid() + 1}:0", "OTHER": "1"}
    program = Program(environment, os.getpid())
    assert program.estate is None
    assert environment == {"OTHER": "1"}
    assert not program.has_to_succeed()
    assert not program.is_asked()
    program.try_again()  # which is nothing to do


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", "{'descriptors': [999999]}", "\0"])
def test_an_estate_that_cannot_be_read_is_one_line(text: str) -> None:
    def work() -> str:
        number = os.memfd_create("estate")
        os.write(number, text.encode())
        with pytest.raises(StartError) as caught:
            Program({VARIABLE: f"{os.getpid()}:{number}"}, os.getpid())
        return str(caught.value)

    said = in_child(work)
    assert said.startswith("cannot take over what the program before it had: ")
    assert "\n" not in said


def test_a_program_that_cannot_be_executed_leaves_all_as_it_was() -> None:
    program = Program({"TOO_LONG": "x" * (1 << 20)}, os.getpid())
    reader, writer = os.pipe()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is looked at below
        program.execute({DESCRIPTORS: [reader]})
    assert caught.value.errno == errno.E2BIG
    assert os.listdir("/proc/self/fd") == before
    assert not os.get_inheritable(reader)
    os.close(reader)
    os.close(writer)
