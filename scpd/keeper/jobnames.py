"""What jobs are called, and of what they are.

    MAKER.NUMBER.xcr       the command for an object, by its worker's journal
    KEY.GENERATION.xcs     the command for a study, by the name under which it is sealed

A job is always the same one, whichever keeper comes to it.  Pure.
"""

from __future__ import annotations

ON_RECEPTION, ON_END_OF_STUDY = "xcr", "xcs"

# In a file's name there is room for a suffix and a process id behind it.
_LONGEST = 220
_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-%_")


def is_job(name: str) -> bool:
    """Tell whether this can be the name of a job."""
    return 0 < len(name) <= _LONGEST and name[0] != "." and _CHARACTERS.issuperset(name)


def of_object(maker: str, number: int) -> str:
    """Name the command for an object."""
    return f"{maker}.{number}.{ON_RECEPTION}"


def of_study(sealed_name: str) -> str:
    """Name the command for a study."""
    return f"{sealed_name}.{ON_END_OF_STUDY}"


def hook_of(job: str) -> str:
    """Give the hook of a job."""
    return job.rpartition(".")[2]


def maker_of(job: str) -> str:
    """Give the worker in whose journal the object of a job is; empty if it is a study's."""
    subject, _, hook = job.rpartition(".")
    return subject.rpartition(".")[0] if hook == ON_RECEPTION else ""


def generation_of(job: str) -> str:
    """Give the generation of the study that a job is of; empty if it is an object's."""
    subject, _, hook = job.rpartition(".")
    return subject.rpartition(".")[2] if hook == ON_END_OF_STUDY else ""
