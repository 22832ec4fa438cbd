"""Who to become; becoming it is tested with processes (system/test_daemon)."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from scpd.errors import StartError
from scpd.process.privileges import identity

DAEMON = pwd.getpwnam("daemon")


def test_nobody_is_asked_for() -> None:
    assert identity(None, None) is None


@pytest.mark.parametrize("user", ["daemon", str(DAEMON.pw_uid)])
def test_a_user_brings_his_groups(user: str) -> None:
    found = identity(user, None)
    assert found is not None
    assert (found.user, found.group) == (DAEMON.pw_uid, DAEMON.pw_gid)
    assert set(found.groups) == set(os.getgrouplist("daemon", DAEMON.pw_gid))


@pytest.mark.parametrize("group", ["nogroup", str(grp.getgrnam("nogroup").gr_gid)])
def test_a_group_stands_for_the_users_own(group: str) -> None:
    found = identity("daemon", group)
    assert found is not None
    assert found.group == grp.getgrnam("nogroup").gr_gid
    assert found.group in found.groups


def test_a_number_need_not_have_a_name() -> None:
    found = identity("3999999999", "3999999998")
    assert found is not None
    assert (found.user, found.group, found.groups) == (3999999999, 3999999998, (3999999998,))


@pytest.mark.parametrize(
    ("user", "group"),
    [("no such user", None), ("", None), (None, "no such group"), ("4294967295", None), ("1" * 30, None)],
)
def test_who_is_not_there_is_one_line(user: str | None, group: str | None) -> None:
    with pytest.raises(StartError, match=r"^no such (user|group)"):
        identity(user, group)
