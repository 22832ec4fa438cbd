"""Numbers as storescp(1) reads them from its command line.

Leading white space and a plus sign are allowed.  Timeouts (`signed`) have the base that C source gives them:
`0x10` is 16, `010` is 8.  Sizes and counts (`unsigned`) and the port are decimal, `010` is 10.  Digits are
those of ASCII.

One difference is deliberate: storescp takes the longest numeric prefix, so that `-ta 5m` means five seconds.
Here a text behind the number (`5m`, `1e5`, `131072.5`, `0x10` where decimal is read) makes it invalid.

All functions raise `BadValueError`; nothing else, whatever the text.
"""

from __future__ import annotations

INT_MAX = 2**31 - 1

# That of C, whatever the locale.
WHITE_SPACE = " \t\n\v\f\r"
_DIGITS = "0123456789abcdef"
# More digits than any bound has: enough to know that a number is too large, without computing it.
_DIGITS_READ = 40
_UNITS = "KMGT"


class BadValueError(ValueError):
    """A text that is no value of its kind; `reason` is "underflow", "overflow" or empty (none at all)."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def signed(text: str, low: int | None, high: int | None) -> int:
    """Read a number in the base of C source (0x16, 08, 10), with sign, from `low` to `high`.

    Values beyond a C int become the largest one: of seconds, that is 68 years.
    """
    negative, digits = _without_sign(text)
    if digits[:2] in ("0x", "0X"):
        number = _magnitude(digits[2:], 16)
    elif digits.startswith("0"):
        number = _magnitude(digits, 8)
    else:
        number = _magnitude(digits, 10)
    return min(_within(-number if negative else number, low, high), INT_MAX)


def unsigned(text: str, low: int | None, high: int | None) -> int:
    """Read a decimal number from `low` to `high`; a minus sign makes it invalid, even before 0."""
    negative, digits = _without_sign(text)
    if negative:
        raise BadValueError
    return _within(_magnitude(digits, 10), low, high)


def size(text: str, low: int | None, high: int | None) -> int:
    """Read a number of bytes, decimal; K, M, G or T behind it, in either case, stand for 1024 of the unit before."""
    unit = _UNITS.find(text[-1:].upper()) if text else -1
    if unit < 0:
        return unsigned(text, low, high)
    if text[-2:-1].isspace():
        raise BadValueError
    return _within(unsigned(text[:-1], None, None) << 10 * (unit + 1), low, high)


def port_number(text: str) -> int:
    """Read a TCP port, 1 to 65535, decimal.

    What is below zero is an overflow, since storescp reads it as a large unsigned number.
    """
    negative, digits = _without_sign(text)
    number = _magnitude(digits, 10)
    if negative and number:
        raise BadValueError("overflow")
    return _within(number, 1, 65535)


def _without_sign(text: str) -> tuple[bool, str]:
    digits = text.lstrip(WHITE_SPACE)
    if digits[:1] in ("+", "-"):
        return digits[0] == "-", digits[1:]
    return False, digits


def _magnitude(digits: str, base: int) -> int:
    allowed = _DIGITS[:base]
    if not digits or any(digit not in allowed for digit in digits.lower()):
        raise BadValueError
    return int(digits.lstrip("0")[:_DIGITS_READ] or "0", base)


def _within(number: int, low: int | None, high: int | None) -> int:
    if low is not None and number < low:
        raise BadValueError("underflow")
    if high is not None and number > high:
        raise BadValueError("overflow")
    return number
