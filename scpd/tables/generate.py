"""Write the table modules of this package from the reference tables; run by hand, never on the served path.

    python -m scpd.tables.generate TSV_DIR

TSV_DIR holds three tab separated files with a heading line each:

`storage-sop-classes.tsv`  uid, file_prefix, in_man_3_6_0 (yes, no), listed_by (versions of DCMTK, or `-`)
`uid-names.tsv`            name (DCMTK's), uid, keyword (PS3.6 annex A), known_to (versions of DCMTK)
`tls-profiles.tsv`         option, profile, dcmtk (versions), min_version, max_version, tls12_suites_in_order,
                           tls13_suites

It writes `sop_classes.py`, `uid_names.py`, `uid_symbols.py`, `transfer_syntaxes.py` and `tls_profiles.py` beside
itself, and `vrs.py` and `private_vrs.py` from pydicom's dictionaries, as `ruff format` would leave them.  It stops with
a KeyError where a keyword below has no UID in the tables: better no module than a wrong one.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Where a UID has had several names, the reference version's is taken, then the newest.
VERSIONS_BEST_FIRST = ("3.6.7", "HEAD", "3.6.0")

# Our constant and the PS3.6 keyword behind it.  From JPEG 2000 to Deflated Image Frame the order is that of
# --accept-all, which ends with DEFLATED, ENCAPSULATED_UNCOMPRESSED and the three that every option accepts.
COMPRESSED_BEST_FIRST = {
    "JPEG_2000": "JPEG2000",
    "JPEG_2000_LOSSLESS": "JPEG2000Lossless",
    "JPEG_EXTENDED": "JPEGExtended12Bit",
    "JPEG_BASELINE": "JPEGBaseline8Bit",
    "JPEG_LOSSLESS_SV1": "JPEGLosslessSV1",
    "JPEG_LS_NEAR_LOSSLESS": "JPEGLSNearLossless",
    "JPEG_LS_LOSSLESS": "JPEGLSLossless",
    "RLE_LOSSLESS": "RLELossless",
    "MPEG2_MAIN": "MPEG2MPML",
    "MPEG2_MAIN_FRAGMENTABLE": "MPEG2MPMLF",
    "MPEG2_HIGH": "MPEG2MPHL",
    "MPEG2_HIGH_FRAGMENTABLE": "MPEG2MPHLF",
    "MPEG4_41": "MPEG4HP41",
    "MPEG4_41_FRAGMENTABLE": "MPEG4HP41F",
    "MPEG4_41_BD": "MPEG4HP41BD",
    "MPEG4_41_BD_FRAGMENTABLE": "MPEG4HP41BDF",
    "MPEG4_42_2D": "MPEG4HP422D",
    "MPEG4_42_2D_FRAGMENTABLE": "MPEG4HP422DF",
    "MPEG4_42_3D": "MPEG4HP423D",
    "MPEG4_42_3D_FRAGMENTABLE": "MPEG4HP423DF",
    "MPEG4_42_STEREO": "MPEG4HP42STEREO",
    "MPEG4_42_STEREO_FRAGMENTABLE": "MPEG4HP42STEREOF",
    "HEVC_MAIN": "HEVCMP51",
    "HEVC_MAIN_10": "HEVCM10P51",
    "HTJ2K_LOSSLESS": "HTJ2KLossless",
    "HTJ2K_LOSSLESS_RPCL": "HTJ2KLosslessRPCL",
    "HTJ2K": "HTJ2K",
    "JPEG_XL_LOSSLESS": "JPEGXLLossless",
    "JPEG_XL_RECOMPRESSION": "JPEGXLJPEGRecompression",
    "JPEG_XL": "JPEGXL",
    "DEFLATED_IMAGE_FRAME": "DeflatedImageFrameCompression",
}
UNCOMPRESSED = {
    "IMPLICIT_LITTLE": "ImplicitVRLittleEndian",
    "EXPLICIT_LITTLE": "ExplicitVRLittleEndian",
    "EXPLICIT_BIG": "ExplicitVRBigEndian",
    "DEFLATED": "DeflatedExplicitVRLittleEndian",
    "ENCAPSULATED_UNCOMPRESSED": "EncapsulatedUncompressedExplicitVRLittleEndian",
}
REFERENCED = {
    "JPIP_REFERENCED_DEFLATE": "JPIPReferencedDeflate",
    "JPIP_HTJ2K_REFERENCED_DEFLATE": "JPIPHTJ2KReferencedDeflate",
}
# PS3.5 A.5, A.7 and A.12: here the whole data set is one deflate stream.
DEFLATED_DATA_SETS = ("DEFLATED", *REFERENCED)

ALWAYS_ACCEPTED = ("EXPLICIT_LITTLE", "EXPLICIT_BIG", "IMPLICIT_LITTLE")
# Long option > what it prefers to the three that are always accepted.
PREFERRED_BY_OPTION = {
    "prefer-lossless": "JPEG_LOSSLESS_SV1",
    "prefer-jpeg8": "JPEG_BASELINE",
    "prefer-jpeg12": "JPEG_EXTENDED",
    "prefer-j2k-lossless": "JPEG_2000_LOSSLESS",
    "prefer-j2k-lossy": "JPEG_2000",
    "prefer-jls-lossless": "JPEG_LS_LOSSLESS",
    "prefer-jls-lossy": "JPEG_LS_NEAR_LOSSLESS",
    "prefer-mpeg2": "MPEG2_MAIN",
    "prefer-mpeg2-high": "MPEG2_HIGH",
    "prefer-mpeg4": "MPEG4_41",
    "prefer-mpeg4-bd": "MPEG4_41_BD",
    "prefer-mpeg4-2-2d": "MPEG4_42_2D",
    "prefer-mpeg4-2-3d": "MPEG4_42_3D",
    "prefer-mpeg4-2-st": "MPEG4_42_STEREO",
    "prefer-hevc": "HEVC_MAIN",
    "prefer-hevc10": "HEVC_MAIN_10",
    "prefer-rle": "RLE_LOSSLESS",
    "prefer-deflated": "DEFLATED",
}

HEAD_OF_MODULE = '''"""{summary}

Written by `python -m scpd.tables.generate`; change that, not this.
{promise}
"""

from __future__ import annotations

'''


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a tab separated file, each a dictionary by the names of the heading line."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def module(summary: str, promise: str, blocks: Iterable[str]) -> str:
    """Return the text of a table module: docstring, then the blocks with nothing between them."""
    return HEAD_OF_MODULE.format(summary=summary, promise=promise) + "".join(blocks)


def by_uid(uid: str) -> tuple[int, ...]:
    """Sort key: the components of a UID as numbers."""
    return tuple(map(int, uid.split(".")))


def dictionary(name: str, entries: dict[str, str]) -> str:
    """Write a dictionary literal, one entry a line."""
    lines = "".join(f'    "{key}": "{value}",\n' for key, value in entries.items())
    return f"{name}: dict[str, str] = {{\n{lines}}}\n"


def tuple_of_names(name: str, members: Iterable[str]) -> str:
    """Write a tuple literal of constants, one a line."""
    return f"{name} = (\n" + "".join(f"    {member},\n" for member in members) + ")\n"


def sop_classes(rows: list[dict[str, str]]) -> str:
    """Write `sop_classes`: accepted is what the 3.6.0 manual lists or the newest DCMTK's list holds."""
    prefixes = {row["uid"]: row["file_prefix"] for row in sorted(rows, key=lambda row: by_uid(row["uid"]))}
    accepted = {
        row["uid"] for row in rows if row["in_man_3_6_0"] == "yes" or "HEAD" in row["listed_by"].split(",")
    }
    others = "".join(f'        "{uid}",\n' for uid in prefixes if uid not in accepted)
    return module(
        "The storage SOP classes (PS3.4 B.5 and GG.3, retired, draft, DICOS and DICONDE ones too).",
        "`uid_names` says what each is called.",
        [
            'VERIFICATION = "1.2.840.10008.1.1"\n\n',
            "# SOP Class UID > the first part of its objects' file names: 2 to 4 letters, not unique.\n",
            dictionary("FILE_PREFIXES", prefixes),
            "\n# Named but not accepted unless asked for (--promiscuous, a profile), as storescp has it.\n",
            f"ONLY_NAMED = frozenset(\n    {{\n{others}    }}\n)\n",
            f"\n# The {len(accepted)} that are accepted without being asked for, besides Verification.\n",
            "ACCEPTED = frozenset(FILE_PREFIXES) - ONLY_NAMED\n",
        ],
    )


def best_names(rows: list[dict[str, str]]) -> dict[str, str]:
    """Give UID > name of each UID that any version of DCMTK knows."""
    names: dict[str, str] = {}
    for version in VERSIONS_BEST_FIRST:
        for row in rows:
            if version in row["known_to"].split(","):
                names.setdefault(row["uid"], row["name"])
    return names


def uid_names(rows: list[dict[str, str]]) -> str:
    """Write `uid_names`: each UID that any version of DCMTK knows, once."""
    names = best_names(rows)
    ordered = {uid: names[uid] for uid in sorted(names, key=by_uid)}
    return module(
        "Every UID that DCMTK knows, of any kind, with DCMTK's name for it (PS3.6 annex A has others).",
        "For --promiscuous an abstract syntax is unknown if it is not here; verbose logs show the names.",
        [dictionary("UID_NAMES", ordered)],
    )


def uid_symbols(rows: list[dict[str, str]]) -> str:
    """Write `uid_symbols`: what the UIDs of `uid_names` are called elsewhere."""
    symbols: dict[str, str] = {}
    for kind in ("name", "keyword"):  # DCMTK's names first: a keyword must not take one of them away
        for row in rows:
            if row[kind].strip("-"):
                symbols.setdefault(row[kind], row["uid"])
    for name in best_names(rows).values():
        del symbols[name]
    return module(
        "Other names of the UIDs in `uid_names`: those of other versions of DCMTK, and the keywords of PS3.6 annex A.",
        "Read only to understand an association profile that uses them.",
        [dictionary("OTHER_NAMES", dict(sorted(symbols.items())))],
    )


def transfer_syntaxes(rows: list[dict[str, str]]) -> str:
    """Write `transfer_syntaxes`: constants by name, and the preference list of each option."""
    uids = {row["keyword"]: row["uid"] for row in rows if row["kind"] == "transfer-syntax"}
    constants = {**UNCOMPRESSED, **COMPRESSED_BEST_FIRST, **REFERENCED}
    accept_all = (*COMPRESSED_BEST_FIRST, "DEFLATED", "ENCAPSULATED_UNCOMPRESSED")
    preferences = {
        "prefer-uncompr": "_ALWAYS",
        "prefer-little": "_ALWAYS",
        "prefer-big": "(EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE)",
        **{option: f"({first}, *_ALWAYS)" for option, first in PREFERRED_BY_OPTION.items()},
        "implicit": "(IMPLICIT_LITTLE,)",
        "accept-all": "_ALL",
    }
    return module(
        "The transfer syntaxes that options or code name (PS3.5 annex A), and what each option accepts.",
        "The lists are for a little endian machine: on a big endian one storescp turns the first two round.",
        [
            "".join(f'{name} = "{uids[keyword]}"\n' for name, keyword in constants.items()),
            "\n# The whole data set is one deflate stream (PS3.5 A.5, A.7, A.12).\n",
            f"DEFLATED_DATA_SETS = frozenset(({', '.join(DEFLATED_DATA_SETS)}))\n\n",
            f"_ALWAYS = ({', '.join(ALWAYS_ACCEPTED)})\n",
            tuple_of_names("_ALL", (*accept_all, "*_ALWAYS")),
            "\n# Long option > transfer syntaxes accepted, best first.\n",
            "PREFERENCES: dict[str, tuple[str, ...]] = {\n",
            "".join(f'    "{option}": {value},\n' for option, value in preferences.items()),
            "}\n",
        ],
    )


# What the library leaves out where the sheet says `library default` is for the library to say.
LIBRARY_DEFAULT = "library default"
OPTIONAL = re.compile(r"\[(.*?)\]")
TLS_VERSION = re.compile(r"TLS (\d\.\d)")


def tls_profiles(rows: list[dict[str, str]]) -> str:
    """Write `tls_profiles`: of each option the row of the newest DCMTK, suites as OpenSSL names them, best first."""
    newest = {row["option"].split("--profile-")[1]: row for row in rows if row["dcmtk"].endswith("HEAD")}
    texts = []
    for key, row in sorted(newest.items()):
        suites, thirteen = row["tls12_suites_in_order"], row["tls13_suites"]
        is_default = thirteen == "-" or thirteen.startswith(LIBRARY_DEFAULT)
        versions = [
            found[1] for name in ("min", "max") if (found := TLS_VERSION.search(row[f"{name}_version"]))
        ]
        columns = (
            f'"{row["profile"]}"',
            *(f'"{version}"' for version in versions),
            nested_tuple(OPTIONAL.sub(r"\1", suites).split()),
            nested_tuple(" ".join(OPTIONAL.findall(suites)).split()),
            nested_tuple([] if is_default else thirteen.split()),
        )
        texts.append(f'    "{key}": (\n' + "".join(f"        {column},\n" for column in columns) + "    ),\n")
    return module(
        "The TLS security profiles (PS3.15 annex B, retired ones too) that DCMTK has, by option without `--profile-`.",
        "`tls.profiles` says what the columns mean.",
        [
            "# Name, lowest and highest version of TLS, suites of TLS 1.2 and older in order of preference, those of\n",
            "# them that few libraries have, and suites of TLS 1.3 (none: those that the library has by default).\n",
            "PROFILES: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {\n",
            *texts,
            "}\n",
        ],
    )


def nested_tuple(members: list[str]) -> str:
    """Write a tuple literal two levels deep, one member a line unless there is at most one."""
    if len(members) < 2:
        return "".join(f'("{member}",)' for member in members) or "()"
    return "(\n" + "".join(f'            "{member}",\n' for member in members) + "        )"


# The names that DCMTK's dictionaries have for elements whose VR depends on others, and pydicom's.
DEPENDENT_VRS = {
    "US or SS": "xs",
    "OB or OW": "ox",
    "US or SS or OW": "lt",
    "US or OW": "lt",
    "OB_OW": "ox",
    "NONE": "na",
}
PIXEL_DATA = 0x7FE00010
TAGS_IN_A_LINE = 12


def vrs() -> str:
    """Write `vrs` from the dictionary of pydicom: VRs by tag, and those of repeating groups.

    A mask with an `x` before a digit (1000xxx0, 002804x0; all retired) is no range and is left out.
    """
    from pydicom import __version__ as pydicom_version
    from pydicom.datadict import DicomDictionary, RepeatersDictionary  # type: ignore[attr-defined]  # not in __all__

    tags: dict[str, list[str]] = {}
    for tag, entry in sorted(DicomDictionary.items()):
        name = "px" if tag == PIXEL_DATA else DEPENDENT_VRS.get(entry[0], entry[0])
        tags.setdefault(name, []).append(f"{tag:08X}")
    ranges = [
        (*repeating_bounds(mask), DEPENDENT_VRS.get(entry[0], entry[0]))
        for mask, entry in sorted(RepeatersDictionary.items())
        if "x" not in mask[:4].rstrip("x") + mask[4:].rstrip("x")
    ]
    return module(
        "The VR of each public tag (PS3.6 6 to 8, PS3.7 E), compact; `dataset.dictionary` makes a lookup of it.",
        f"The source is the dictionary of pydicom {pydicom_version}.",
        [
            "# VR, or a name in small letters (see dataset.dictionary) > tags, hexadecimal, in any order of VRs.\n",
            "TAGS: dict[str, str] = {\n",
            *(f'    "{vr}": """\n{lines_of(members)}""",\n' for vr, members in sorted(tags.items())),
            "}\n",
            "\n# Repeating groups and elements: bounds of the group, of the element, VR.\n",
            "RANGES: tuple[tuple[int, int, int, int, str], ...] = (\n",
            *(
                "    (" + ", ".join(f"0x{number:04X}" for number in row[:4]) + f', "{row[4]}"),\n'
                for row in ranges
            ),
            ")\n",
        ],
    )


def private_vrs() -> str:
    """Write `private_vrs` from the private dictionary of pydicom: by creator, the tags of each VR."""
    from pydicom import __version__ as pydicom_version
    from pydicom._private_dict import private_dictionaries

    texts = {}
    for creator, entries in sorted(private_dictionaries.items()):
        vrs_by_tag: dict[str, str] = {}
        for mask, entry in sorted(
            entries.items()
        ):  # 0019xx10 behind 00190010, which means the same: it counts
            if tag := private_tag(mask):
                vrs_by_tag[tag] = DEPENDENT_VRS.get(entry[0], entry[0])
        tags: dict[str, list[str]] = {}
        for tag, vr in sorted(vrs_by_tag.items()):
            tags.setdefault(vr, []).append(tag)
        if tags:
            texts[creator] = "".join(lines_of([vr, *members]) for vr, members in sorted(tags.items()))
    return module(
        "The VRs of private elements by their creator, compact; `dataset.dictionary` makes lookups of them.",
        f"The source is the private dictionary of pydicom {pydicom_version}.",
        [
            "# Creator > each VR (or name in small letters), its tags behind it: `0019xx10` in whatever block that\n",
            "# creator reserved, `00191110` in that one only, `70xxxx04` in each odd group from 7001 to 70FF.\n",
            "TAGS: dict[str, str] = {\n",
            *(f'    "{creator}": """\n{text}""",\n' for creator, text in texts.items()),
            "}\n",
        ],
    )


def private_tag(mask: str) -> str | None:
    """Return what a mask of pydicom means; `None` if it is about no private element that a creator could call its own.

    Some elements are written without the block (00190001 for 0019xx01); those of even groups are not private, and
    masks such as 001910xx are the creators themselves.
    """
    group, element = mask[:4], mask[4:]
    if element.endswith("x") or int(group.replace("x", "1"), 16) % 2 == 0:
        return None
    return mask if int(element.replace("x", "F"), 16) > 0x00FF else f"{group}xx{element[2:]}"


def repeating_bounds(mask: str) -> tuple[int, int, int, int]:
    """Return the bounds of group and element of a mask such as 60xx0010."""
    group, element = mask[:4], mask[4:]
    bounds = [part.replace("x", digit) for part in (group, element) for digit in ("0", "F")]
    return int(bounds[0], 16), int(bounds[1], 16), int(bounds[2], 16), int(bounds[3], 16)


def lines_of(words: list[str]) -> str:
    """Write words in lines."""
    lines = (words[start : start + TAGS_IN_A_LINE] for start in range(0, len(words), TAGS_IN_A_LINE))
    return "".join(" ".join(line) + "\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Write the modules; 2 if called wrongly."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m scpd.tables.generate TSV_DIR\n")
        return 2
    tables, package = Path(arguments[0]), Path(__file__).parent
    names = read_table(tables / "uid-names.tsv")
    texts = {
        "sop_classes": sop_classes(read_table(tables / "storage-sop-classes.tsv")),
        "uid_names": uid_names(names),
        "uid_symbols": uid_symbols(names),
        "transfer_syntaxes": transfer_syntaxes(names),
        "tls_profiles": tls_profiles(read_table(tables / "tls-profiles.tsv")),
        "vrs": vrs(),
        "private_vrs": private_vrs(),
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
