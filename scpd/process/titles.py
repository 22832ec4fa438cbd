"""What a process is doing, for `ps`: the title; its `comm` stays the name that the program was called by."""

from __future__ import annotations

import setproctitle


class Title:
    """The title of the process that calls it; cheap enough (a microsecond) to be set for every object."""

    __slots__ = ("_program_name",)

    def __init__(self, program_name: str) -> None:
        self._program_name = program_name
        # It finds the place of the title by the first variable of the environment, which we may be about to take away,
        # and names the thread by what it finds: the interpreter's path.
        setproctitle.getproctitle()
        setproctitle.setthreadtitle(program_name)

    def show(self, text: str) -> None:
        """Show `name: text` as the command line of this process."""
        setproctitle.setproctitle(f"{self._program_name}: {text}")
        # setproctitle names the thread too; administrators' scripts look for the program by that name.
        setproctitle.setthreadtitle(self._program_name)
