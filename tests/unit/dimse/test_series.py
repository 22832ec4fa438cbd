from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dimse.commands import decode_command, encode_command
from scpd.dimse.messages import C_ECHO_RQ, C_STORE_RQ, Request, parse_request, response
from scpd.dimse.series import Series
from scpd.dimse.status import SUCCESS
from scpd.errors import Refused
from scpd.ul.negotiation import Context
from scpd.worker.announcement import check_command

CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
CONTEXT = Context(3, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
UIDS = st.one_of(
    st.binary(max_size=10),
    st.text("0123456789. \n\0", max_size=70).map(str.encode),
    st.integers(10, 99).map(lambda number: b"1.2.%d" % number),
)


def store(message_id: int, instance: bytes, **changes: bytes | None) -> bytes:
    """Give a C-STORE-RQ with elements changed or (None) left out, named `e0002` and so on."""
    elements: dict[int, bytes | None] = {
        0x0002: CT_IMAGE,
        0x0100: pack("<H", C_STORE_RQ),
        0x0110: pack("<H", message_id),
        0x0700: b"\0\0",
        0x0800: b"\1\0",
        0x1000: instance,
    }
    elements |= {int(name[1:], 16): value for name, value in changes.items()}
    return encode_command([(number, value) for number, value in elements.items() if value is not None])


def meaning(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in Request.__slots__ if name != "is_checked"}


def read(series: Series, command: bytes, context: Context = CONTEXT) -> tuple[Request, bool]:
    """Give the request, as a worker does, and whether it was compared only."""
    request = series.request(command, context.context_id)
    if request is not None:
        return request, True
    request = parse_request(decode_command(command))
    series.learn(command, request, context)
    return request, False


def passes(request: Request, context: Context) -> bool:
    try:
        check_command(request, context)
    except Refused:
        return False
    return True


def _names(context: Context) -> tuple[str, str]:
    return context.abstract_syntax, context.transfer_syntax


def compared(commands: list[bytes], contexts: list[Context] | None = None) -> list[bool]:
    """Read them all, check that each means what it does alone, and may be; tell which were compared only."""
    series, those = Series(), []
    for command, context in zip(commands, contexts or [CONTEXT] * len(commands), strict=True):
        request, is_compared = read(series, command, context)
        alone = parse_request(decode_command(command))
        assert meaning(request) == meaning(alone)
        assert request.is_checked == is_compared
        assert passes(alone, context) or not request.is_checked
        assert series.success(request) == response(alone, SUCCESS)
        those.append(is_compared)
    return those


def test_from_the_second_on_they_are_compared() -> None:
    assert compared([store(number, b"1.2.%04d" % number) for number in range(1, 6)]) == [False] + [True] * 4


@pytest.mark.parametrize(
    "other",
    [
        store(9, b"1.2.33333"),
        store(9, b"1.2.3333", e0002=b"1.2.840.10008.5.1.4.1.1.4\0"),
        store(9, b"1.2.3333", e0800=b"\1\1"),
        store(9, b"1.2.3333", e0700=b"\1\0"),
        store(9, b"1.2.3333", e1030=b"MOVED"),
        store(9, b"1.2.3333", e0100=pack("<H", C_ECHO_RQ)),
        store(9, b"1.2.3333", e1000=None),
        store(9, b"1.2.3333") + pack("<HHI", 0, 0x1031, 2) + b"\0\0",
    ],
    ids=["length", "class", "no data", "priority", "more", "operation", "no instance", "behind"],
)
def test_another_one_is_read(other: bytes) -> None:
    series = [store(number, b"1.2.333%d" % number) for number in range(1, 4)]
    assert compared([*series, other, *series])[1:4] == [True, True, False]


def test_on_another_context_it_is_read() -> None:
    series = [store(number, b"1.2.333%d" % number) for number in range(1, 7)]
    other, foreign = Context(5, *_names(CONTEXT)), Context(7, "1.2.3", "1.2.840.10008.1.2")
    assert compared(series, [CONTEXT, CONTEXT, other, other, foreign, other]) == [
        False,
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_class_that_is_not_its_context_s_teaches_nothing() -> None:
    series = [store(number, b"1.2.333%d" % number, e0002=b"1.2.3\0") for number in range(1, 5)]
    assert compared(series) == [False] * 4


def test_white_space_leaves_no_room_for_a_uid_that_is_too_long() -> None:
    padded = [store(number, b"1.2.333%d" % number + b" " * 90) for number in range(1, 4)]
    assert compared([*padded, store(4, b"1.2." + b"3" * 94), *padded]) == [False] * 7
    exact = [store(number, b"1.2.333%d" % number + b" " * 56) for number in range(1, 4)]
    assert compared([*exact, store(4, b"1.2." + b"3" * 60)]) == [False, True, True, True]


def test_one_that_names_no_object_is_read() -> None:
    series = [store(number, b"1.2.333%d" % number) for number in range(1, 4)]
    nameless = [store(4, b"        "), store(5, b"\0" * 8)]
    assert compared([*series, *nameless, *series])[1:] == [True, True, False, False, True, True, True]


@pytest.mark.parametrize("instance", [b"1.2.33 3", b"1.2.333\0", b"1.2.33\0\0", b"1.2.3333"])
def test_uids_of_one_length_are_understood_however_they_are_padded(instance: bytes) -> None:
    series = [store(number, b"1.2.333%d" % number) for number in range(1, 4)]
    assert compared([*series, store(4, instance), store(5, b"1.2.3335")])[1:] == [True] * 4


def test_one_that_lacks_something_teaches_nothing() -> None:
    assert compared([store(1, b"1.2", e0800=b"\1\1")] * 4) == [False] * 4
    assert compared([store(1, b"1" * 66)] * 4) == [False] * 4


def test_who_always_sends_others_is_read_without_lessons_in_the_end() -> None:
    commands = [store(1, b"1" * 2 * number) for number in range(1, 30)]
    assert compared([*commands, *commands[-1:] * 3]) == [False] * 32


def test_an_answer_is_of_the_last_request_only() -> None:
    series = Series()
    requests = [read(series, store(number, b"1.2.333%d" % number))[0] for number in range(1, 5)]
    for number, request in enumerate(requests, 1):
        assert series.success(request) == response(
            parse_request(decode_command(store(number, b"1.2.333%d" % number))), 0
        )


@given(
    st.lists(st.tuples(st.integers(0, 65535), UIDS, st.sampled_from([CT_IMAGE, b"1.2", b""])), max_size=12)
)
def test_any_requests_mean_what_they_do_alone(rows: list[tuple[int, bytes, bytes]]) -> None:
    compared([store(message_id, instance, e0002=sop_class) for message_id, instance, sop_class in rows])


@given(
    st.lists(st.binary(max_size=4), min_size=4, max_size=8),
    st.permutations([0x0002, 0x0100, 0x0110, 0x0800, 0x1000]),
)
def test_so_they_do_in_any_order_of_elements(instances: list[bytes], order: list[int]) -> None:
    values = {0x0002: CT_IMAGE, 0x0100: b"\1\0", 0x0110: b"\7\0", 0x0800: b"\0\0"}
    compared(
        [encode_command([(each, values.get(each, instance)) for each in order]) for instance in instances]
    )
