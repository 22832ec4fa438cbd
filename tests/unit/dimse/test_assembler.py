"""Command sets from their fragments."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dimse.assembler import COMMAND_LIMIT, CommandAssembler
from scpd.errors import Abort

DATA, COMMAND, LAST = 0, 1, 2


def add(assembler: CommandAssembler, context_id: int, control: int, fragment: bytes) -> bytes | None:
    return assembler.add((context_id, control, memoryview(fragment)))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20), st.integers(0, 255))
def test_any_fragments_are_joined_when_the_last_has_come(fragments: list[bytes], context_id: int) -> None:
    assembler = CommandAssembler()
    for fragment in fragments[:-1]:
        assert add(assembler, context_id, COMMAND, fragment) is None

    assert add(assembler, context_id, COMMAND | LAST, fragments[-1]) == b"".join(fragments)
    assert assembler.context_id == context_id


def test_fragments_are_copied_for_their_buffer_is_used_again() -> None:
    assembler, buffer = CommandAssembler(), bytearray(b"abcd")
    assembler.add((1, COMMAND, memoryview(buffer)))
    buffer[:] = b"XXXX"

    assert add(assembler, 1, COMMAND | LAST, b"ef") == b"abcdef"


def test_other_bits_of_the_message_control_header_are_not_looked_at() -> None:
    assembler = CommandAssembler()
    assert add(assembler, 1, 0xFC | COMMAND, b"ab") is None

    assert add(assembler, 1, 0xFC | COMMAND | LAST, b"cd") == b"abcd"


@pytest.mark.parametrize("control", [DATA, LAST])
@pytest.mark.parametrize("begun", [True, False])
def test_a_data_set_in_the_place_of_a_command_is_an_abort(control: int, begun: bool) -> None:
    assembler = CommandAssembler()
    if begun:
        add(assembler, 1, COMMAND, b"ab")

    with pytest.raises(Abort) as caught:
        add(assembler, 1, control, b"cd")

    assert (caught.value.source, caught.value.reason) == (0, 0)


@pytest.mark.parametrize("contexts", [(1, 3), (0, 255), (255, 0)])
def test_a_command_that_changes_its_context_is_an_abort(contexts: tuple[int, int]) -> None:
    assembler = CommandAssembler()
    add(assembler, contexts[0], COMMAND, b"")

    with pytest.raises(Abort, match="presentation context"):
        add(assembler, contexts[1], COMMAND | LAST, b"cd")


def test_a_command_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assembler = CommandAssembler()
    add(assembler, 1, COMMAND, bytes(COMMAND_LIMIT - 1))
    assert add(assembler, 1, COMMAND | LAST, b"x") is not None

    too_long = CommandAssembler()
    add(too_long, 1, COMMAND, bytes(COMMAND_LIMIT))
    with pytest.raises(Abort, match="more than"):
        add(too_long, 1, COMMAND | LAST, b"x")


def test_a_command_of_empty_fragments_without_end_costs_no_memory() -> None:
    assembler = CommandAssembler()
    tracemalloc.start()
    try:
        for _ in range(100_000):
            add(assembler, 1, COMMAND, b"")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 10_000
