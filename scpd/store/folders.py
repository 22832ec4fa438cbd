"""Names of study directories: --sort-conc-studies, --sort-on-study-uid, --sort-on-patientname.

    conc-studies   PREFIX_YYYYMMDD_HHMMSSmmm    local time
    study-uid      PREFIX_UID                   Study Instance UID, of safe characters only
    patientname    NAME_YYYYMMDD_HHMMSSmmm      ANONYMOUS if there is no name

An empty prefix goes without its `_`.  All attributes are their first values.  NAME is storescp's, byte for byte, where
the name is of the default repertoire or Latin-1; else the best of its component groups (PS3.5 6.2.1.2) of which letters
can be made, where storescp takes the bytes for Latin-1.

Nothing that a peer sends makes a name of a path, a hidden one or one that is too long: that is `Refused` with C000H.
The prefix is the administrator's (`names.check_prefix`).  Whether a name is taken is not looked at here, nor the clock.
"""

from __future__ import annotations

import os
from time import localtime, strftime

from scpd.dataset import charsets
from scpd.dataset.identity import study_uid
from scpd.dataset.plain import PATIENT_NAME, SPECIFIC_CHARACTER_SET
from scpd.errors import Refused
from scpd.store import romanization
from scpd.store.names import sanitised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONC_STUDIES, STUDY_UID, PATIENT_NAME_AND_TIME = "conc-studies", "study-uid", "patientname"

ANONYMOUS = "ANONYMOUS"
_CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3
_LONGEST_NAME = 255  # bytes, of nearly all file systems
_STAMP_LENGTH = len("YYYYMMDD_HHMMSSmmm")
_SHOWN = bytes(code if 0x20 <= code < 0x7F else 0x3F for code in range(256))


class Sorting:
    """How study directories are named; `kind` is one of those above."""

    __slots__ = ("kind", "prefix")

    def __init__(self, kind: str, prefix: str) -> None:
        self.kind = kind
        self.prefix = f"{prefix}_" if prefix else ""


def folder_name(sorting: Sorting, found: Mapping[int, bytes], now: float) -> tuple[str, str]:
    """Return the name for a study that begins with an object of these attributes, and what to warn of (or nothing).

    `found` is what a scan or glance took down when the data set had ended; `now` is in seconds since the epoch.
    """
    uid = study_uid(found)
    if not uid:
        detail = "element StudyInstanceUID (0020,000d) absent or empty in data set"
        raise Refused(_CANNOT_UNDERSTAND, "no Study Instance UID in the data set", detail)
    if sorting.kind == STUDY_UID:
        name, warning = sorting.prefix + sanitised(uid), _warning_of(uid)
    elif sorting.kind == CONC_STUDIES:
        name, warning = sorting.prefix + _stamp(now), ""
    else:
        patient, warning = _patient(found)
        name = f"{patient}_{_stamp(now)}"
    _check(name, is_peers=sorting.kind != CONC_STUDIES and not sorting.prefix)
    return name, warning


def later_name(name: str) -> str:
    """Return the name of the next millisecond, for a name with a time that is taken."""
    before, milliseconds = name[:-3], int(name[-3:]) + 1
    if milliseconds < 1000:
        return f"{before}{milliseconds:03}"
    from datetime import datetime, timedelta  # no other name needs a calendar

    stamp, form = before[3 - _STAMP_LENGTH :], "%Y%m%d_%H%M%S"
    later = datetime.strptime(stamp, form) + timedelta(seconds=1)  # noqa: DTZ007 - it is what a clock shows
    return f"{before[: 3 - _STAMP_LENGTH]}{later.strftime(form)}000"


def prepare(sorting: Sorting) -> None:
    """Load what names of this kind may need: for a process whose children make them."""
    if sorting.kind == PATIENT_NAME_AND_TIME:
        charsets.prepare()
        romanization.prepare()


def _stamp(now: float) -> str:
    seconds, milliseconds = divmod(int(now * 1000), 1000)
    return f"{strftime('%Y%m%d_%H%M%S', localtime(seconds))}{milliseconds:03}"


def _warning_of(uid: str) -> str:
    safe = sanitised(uid)
    if safe == uid:
        return ""
    shown = _shown(uid.encode("latin-1", "replace"))
    return f'Sanitized unusual characters in Study Instance UID, converted from "{shown}" to "{safe}".'


def _patient(found: Mapping[int, bytes]) -> tuple[str, str]:
    """Return the patient's name as it stands in a directory's, and what to warn of."""
    value = found.get(PATIENT_NAME, b"")
    declared = found.get(SPECIFIC_CHARACTER_SET, b"").rstrip(b" \0")
    text, is_right = charsets.decoded(value, declared)
    first = text.partition("\\")[0].rstrip(" ")
    if not first:
        absent = "element PatientName (0010,0010) absent or empty in data set"
        return ANONYMOUS, f"{absent}, using '{ANONYMOUS}' instead"
    is_latin = charsets.is_latin(value, declared)
    name = romanization.romanized_latin(first) if is_latin else _in_letters(first)
    if is_right:
        return name, ""
    return name, f"Patient name not in Latin-1 (charset: {_shown(declared)}), ASCII dir name may be broken"


def _in_letters(text: str) -> str:
    """Return the first component group of a name that has letters; underscores if none has.

    The alphabetic one is the first, then the phonetic one: ideographs do not say how they are read.
    """
    groups = [romanization.romanized(group) for group in text.split("=")]
    by_preference = groups[:1] + groups[2:3] + groups[1:2]
    name = next((group for group in by_preference if group.strip("_")), "_".join(groups))
    # Letters may be more than the bytes were; nobody is refused for that.
    return name[: _LONGEST_NAME - 1 - _STAMP_LENGTH] or "_"


def _shown(value: bytes) -> str:
    return value.translate(_SHOWN).decode("ascii")


def _check(name: str, *, is_peers: bool) -> None:
    """Refuse what no directory may be called, if a peer has chosen the begin of it, and what is too long."""
    if len(os.fsencode(name)) > _LONGEST_NAME or (is_peers and name.startswith(".")):
        detail = f"could not create subdirectory for study: {name}"
        raise Refused(_CANNOT_UNDERSTAND, "no directory can be named after this study", detail)
