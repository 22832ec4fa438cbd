"""The workloads and the floors that scpd's ratios to its peers must reach."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench import load
from bench.images import CT, CT_PHANTOM, CT_UNDEFINED, SEQUENCE_OF_DEFINED_LENGTH, SMALL, Image, large

SECOND_SENDER_FIRST = 9_000_000
SECOND_SENDER_SECONDS = 60
MEMORY_CEILING_MEGABYTES = 12.0
MEMORY_CEILING_MEGABYTES_ENCODING = 40.0
BESIDE_FLOOR = 0.9


@dataclass(frozen=True)
class Workload:
    """Senders at once x associations one after the other x objects in each, and what they are compared with.

    Both programs have the same options. A floor of 0 is none: the row is there to be seen. Slow servers get
    their share of the objects only (out of the box, storescp waits 40 ms for each); None: they sit it out.
    Secure ones go by TLS, and with `resumes` the sender goes on with its session in each association.
    Where commands are run, the next server waits until they have ended.
    Where objects are encoded anew, `mark` shows in the files that they were, and what is stored must have
    `stored_share` of the bytes that were sent.
    """

    name: str
    title: str
    image: Image
    floor: float
    senders: int = 1
    associations: int = 1
    objects: int = 1
    options: tuple[str, ...] = ()
    mark: bytes = b""
    stored_share: float = 1.0
    out_of_the_box_floor: float | None = None
    out_of_the_box_share: float | None = 0.1
    pynetdicom_share: float | None = None
    bare: bool = False
    runs_commands: bool = False
    secure: bool = False
    resumes: bool = False

    def plans(self, max_length: int, share: float = 1.0) -> list[load.Plan]:
        """Encode a plan per sender, with that share of the associations, or else of the objects."""
        associations, objects = self.associations, self.objects
        if associations > 1:
            associations = max(1, round(associations * share))
        else:
            objects = max(1, round(objects * share))
        each = associations * objects
        firsts = range(0, self.senders * each, each)
        return [load.plan(self.image, associations, objects, first, max_length) for first in firsts]

    def smaller(self) -> Workload:
        """Return a quarter of it, for a quick look."""
        if self.associations > 1:
            return replace(self, associations=self.associations // 4)
        return replace(self, objects=max(1, self.objects // 4))


CT_SERIES = Workload(
    "ct",
    "400 CT images of 0.5 MB, default options",
    CT,
    floor=1.5,
    objects=400,
    out_of_the_box_floor=20,
    pynetdicom_share=0.25,
    bare=True,
)

# A receiver has to make something else of each of these.
ENCODED = Workload(
    "undefined",
    "400 CT images with sequences of undefined length",
    CT_UNDEFINED,
    floor=1.0,
    objects=400,
    mark=SEQUENCE_OF_DEFINED_LENGTH,
    out_of_the_box_share=None,
)
ENCODED_ANEW = (
    ENCODED,
    replace(
        ENCODED,
        name="big",
        title="400 CT images, to big endian",
        image=CT,
        options=("+tb",),
        mark=b"1.2.840.10008.1.2.2\0",
    ),
    replace(
        ENCODED,
        name="implicit",
        title="400 CT images, to implicit VR",
        image=CT,
        options=("+ti",),
        mark=b"1.2.840.10008.1.2\0",
    ),
    replace(
        ENCODED,
        name="deflated",
        title="100 CT images, deflated",
        image=CT_PHANTOM,
        objects=100,
        options=("+td", "+cl", "1"),
        mark=b"1.2.840.10008.1.2.1.99",
        stored_share=0.3,
    ),
)

SMALL_OBJECTS = Workload(
    "small",
    "1000 objects of 4 kB",
    SMALL,
    floor=2.0,
    objects=1000,
    out_of_the_box_share=0.05,
    pynetdicom_share=0.1,
)

# Objects that are filed by study, and recorded for the end of it; commands that are run for each.
SORTED = (
    replace(
        CT_SERIES,
        name="sorted-uid",
        title="400 CT images, sorted by Study Instance UID",
        options=("-su", "S"),
        out_of_the_box_floor=None,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        bare=False,
    ),
    replace(
        CT_SERIES,
        name="sorted",
        title="400 CT images, sorted by study and time",
        options=("-ss", "S"),
        out_of_the_box_floor=None,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        bare=False,
    ),
    replace(
        SMALL_OBJECTS,
        name="small-sorted",
        title="1000 objects of 4 kB, sorted by study and time",
        options=("-ss", "S"),
        out_of_the_box_share=None,
        pynetdicom_share=None,
    ),
    replace(
        CT_SERIES,
        name="received",
        title="400 CT images, a command for each",
        options=("-xcr", "true"),
        out_of_the_box_floor=None,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        bare=False,
        runs_commands=True,
    ),
)

_ASSOCIATIONS = Workload(
    "associations",
    "300 associations, a 4 kB object each",
    SMALL,
    floor=1.0,
    associations=300,
    pynetdicom_share=0.05,
)

# By TLS 1.3, with a certificate of the sender's (`bench.security`).
SECURE = (
    replace(
        CT_SERIES,
        name="tls",
        title="400 CT images over TLS",
        floor=1.1,
        out_of_the_box_floor=None,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        bare=False,
        secure=True,
    ),
    replace(
        _ASSOCIATIONS,
        name="tls-associations",
        title="300 associations over TLS, full handshakes",
        floor=0.8,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        secure=True,
    ),
    replace(
        _ASSOCIATIONS,
        name="tls-resumed",
        title="300 associations over TLS, resumed",
        floor=1.0,
        out_of_the_box_share=None,
        pynetdicom_share=None,
        secure=True,
        resumes=True,
    ),
)

WORKLOADS = (
    CT_SERIES,
    replace(
        CT_SERIES,
        name="ct-bit",
        title="the same with +B",
        floor=1.3,
        options=("+B",),
        bare=False,
        pynetdicom_share=None,
    ),
    SMALL_OBJECTS,
    replace(
        SMALL_OBJECTS,
        name="small-bit",
        title="the same with +B",
        floor=0.0,
        options=("+B",),
        pynetdicom_share=None,
    ),
    *ENCODED_ANEW,
    *SORTED,
    Workload("large", "one object of 300 MB", large(300), floor=1.0, bare=True),
    Workload("large-bit", "the same with +B", large(300), floor=0.0, options=("+B",)),
    _ASSOCIATIONS,
    Workload(
        "parallel",
        "4 associations at once, 100 CT images each",
        CT,
        floor=1.2,
        senders=4,
        objects=100,
        pynetdicom_share=0.25,
    ),
    *SECURE,
)

BESIDE = Workload("beside", "1.5 GB series beside 5 small objects a second", CT, BESIDE_FLOOR, objects=2860)
MEMORY = "memory"
ACCESS = "access"
INETD = "inetd"
FLUSHED = replace(
    SORTED[1], name="flushed", title="400 CT images with --fsync, sorted beside unsorted", floor=0.6
)
MANY_OPEN = replace(
    SMALL_OBJECTS,
    name="many-open",
    title="1000 objects of 4 kB, with 10000 studies open beside none",
    floor=0.9,
    options=("-ss", "S", "-xcs", "true", "--eostudy-by", "timeout", "-tos", "3600"),
)
NAMES = (*(each.name for each in WORKLOADS), FLUSHED.name, MANY_OPEN.name, BESIDE.name, MEMORY, ACCESS, INETD)


def second_sender(max_length: int) -> load.Plan:
    """Five small objects in one association; as many of these as the first sender may take seconds."""
    return load.plan(SMALL, SECOND_SENDER_SECONDS, 5, SECOND_SENDER_FIRST, max_length)


def memory_workloads(*, quick: bool) -> tuple[Workload, ...]:
    """One large object each, during which a worker's memory is watched; floors are ceilings, in MB."""
    largest = 300 if quick else 1000
    plain = [
        Workload(MEMORY, _memory_title(size), large(size), MEMORY_CEILING_MEGABYTES)
        for size in sorted({300, largest})
    ]
    swapped = replace(
        plain[-1],
        title=f"{_memory_title(largest)} to big endian",
        floor=MEMORY_CEILING_MEGABYTES_ENCODING,
        options=("+tb",),
        mark=b"1.2.840.10008.1.2.2\0",
    )
    return (*plain, swapped)


def _memory_title(megabytes: int) -> str:
    return f"private memory of a worker, {megabytes} MB object"
