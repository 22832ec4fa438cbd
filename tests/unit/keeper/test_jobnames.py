"""What jobs are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.errors import Refused
from scpd.keeper import jobnames
from scpd.keeper.hooks import Hooks
from scpd.lockdir.journal import is_maker, new_maker
from scpd.study.states import key_of, new_generation


def test_an_objects_job_tells_its_maker() -> None:
    maker = new_maker()
    job = jobnames.of_object(maker, 12)
    assert is_maker(maker)
    assert job == f"{maker}.12.xcr"
    assert (jobnames.hook_of(job), jobnames.maker_of(job), jobnames.generation_of(job)) == ("xcr", maker, "")


@given(st.text(min_size=1))
def test_any_studys_job_tells_its_generation_and_is_a_jobs_name(uid: str) -> None:
    try:
        key = key_of(uid)
    except Refused:
        return
    generation = new_generation()
    job = jobnames.of_study(f"{key}.{generation}")
    assert jobnames.is_job(job)
    assert (jobnames.hook_of(job), jobnames.maker_of(job), jobnames.generation_of(job)) == (
        "xcs",
        "",
        generation,
    )


def test_the_longest_makers_and_keys_make_jobs_names() -> None:
    assert jobnames.is_job(jobnames.of_object("m" * 64, 10**20))
    assert is_maker("m" * 64)
    assert jobnames.is_job(jobnames.of_study(f"{key_of('1' * 190)}.{new_generation()}"))


@pytest.mark.parametrize("maker", ["", ".", ".a", "-a", "a/b", "a b", "a\0", "é", "a" * 65, ".."])
def test_what_is_no_makers_name(maker: str) -> None:
    assert not is_maker(maker)


@pytest.mark.parametrize("job", ["", "x", "xcr", ".xcr", "a.xcr", "a.b.c"])
def test_what_is_no_job_has_no_maker_and_no_generation(job: str) -> None:
    assert jobnames.maker_of(job) == ""
    assert jobnames.generation_of(job) == ""


def test_a_job_has_the_command_of_its_hook_and_no_other() -> None:
    hooks = Hooks(on_reception="R", on_end_of_study=None, output_directory="out")
    assert hooks.command("m.1.xcr") == "R"
    assert hooks.command("1.1.0123456789abcdef.xcs") is None
    assert hooks.command("m.1.rm") is None
