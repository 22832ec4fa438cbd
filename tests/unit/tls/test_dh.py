from __future__ import annotations

import pytest

from scpd.errors import StartError
from scpd.tls import dh


def test_the_built_in_group_is_ffdhe2048() -> None:
    assert dh.bits("built in", dh.BUILT_IN) == 2048


def test_a_short_one_is_measured() -> None:
    text = b"""-----BEGIN DH PARAMETERS-----
MEYCQQCzjtLmXFD2UKS+bWAGGzpHV4Hjc7nCVtRTLKaWxFZWNmSPgbQ9uqfkSEvJ
PwHu2tPbF6vbB7Cq5dlYhMEEsksLAgEC
-----END DH PARAMETERS-----
"""
    assert dh.bits("x", text) == 512


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"junk",
        b"-----BEGIN DH PARAMETERS-----\n\n-----END DH PARAMETERS-----\n",
        b"-----BEGIN DH PARAMETERS-----\nMEYC\n-----END DH PARAMETERS-----\n",
        b"-----BEGIN DH PARAMETERS-----\nAgEC\n-----END DH PARAMETERS-----\n",
        b"-----BEGIN CERTIFICATE-----\nMEYC\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_are_none_is_told(text: bytes) -> None:
    with pytest.raises(StartError) as caught:
        dh.bits("file", text)
    assert str(caught.value) == "cannot load Diffie-Hellman parameters from file: there are none in it"
