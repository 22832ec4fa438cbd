"""Settings: final, whole, and nothing besides."""

from __future__ import annotations

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings


@pytest.fixture
def settings() -> Settings:
    answer = parse("scpd", ["11112"])
    assert isinstance(answer, Settings)
    return answer


def test_a_setting_cannot_be_assigned(settings: Settings) -> None:
    with pytest.raises(AttributeError, match="port"):
        settings.port = 104
    assert settings.port == 11112


def test_a_setting_cannot_be_deleted(settings: Settings) -> None:
    with pytest.raises(AttributeError, match="port"):
        del settings.port


def test_no_other_attribute_can_be_made(settings: Settings) -> None:
    with pytest.raises(AttributeError):
        settings.colour = "red"
    assert not hasattr(settings, "__dict__")


def test_a_forgotten_or_invented_value_is_a_mistake_of_the_program(settings: Settings) -> None:
    values = {name: getattr(settings, name) for name in Settings.__slots__}
    with pytest.raises(TypeError, match="colour"):
        Settings(**values, colour="red")
    del values["grace"]
    with pytest.raises(TypeError, match="grace"):
        Settings(**values)


def test_every_slot_has_its_type(settings: Settings) -> None:
    assert set(Settings.__annotations__) == set(Settings.__slots__)


def test_settings_can_be_read_in_a_message(settings: Settings) -> None:
    assert "port=11112" in repr(settings)
