"""The option table: the form, place and name of files."""

from __future__ import annotations

from scpd.cli.options_network import COMPRESSED
from scpd.cli.rows import OUTPUT, Argument, Option, Section, alternatives

_GROUP = "output options"
_NOT_BIT_PRESERVING = (("--bit-preserving",),)
_PREFIX = (Argument("prefix", "string"),)

SECTIONS = (
    Section(
        _GROUP,
        "general",
        OUTPUT,
        (
            Option(
                "--output-directory",
                "-od",
                "output_directory",
                "existing directory for the received objects",
                arguments=(Argument("directory", "directory"),),
                default=".",
                default_text='"."',
            ),
        ),
    ),
    Section(
        _GROUP,
        "bit preserving mode",
        OUTPUT,
        alternatives(
            "bitpres",
            "bit_preserving",
            (1, "--normal", "-B", False, "re-encode where options ask for it"),
            (2, "--bit-preserving", "+B", True, "write data as received"),
            in_force="--normal",
        ),
    ),
    Section(
        _GROUP,
        "output file format",
        OUTPUT,
        alternatives(
            "format",
            "write_dataset",
            (1, "--write-file", "+F", False, "write DICOM files"),
            (2, "--write-dataset", "-F", True, "write bare data sets, no file meta information"),
            in_force="--write-file",
        ),
    ),
    Section(
        _GROUP,
        "output transfer syntax (not with --bit-preserving or compressed transmission)",
        OUTPUT,
        (
            *alternatives(
                "writexfer",
                "write_transfer_syntax",
                (1, "--write-xfer-same", "+t=", "same", "keep that of the network"),
                in_force="--write-xfer-same",
            ),
            *alternatives(
                "writexfer",
                "write_transfer_syntax",
                (2, "--write-xfer-little", "+te", "little", "write explicit VR little endian"),
                (3, "--write-xfer-big", "+tb", "big", "write explicit VR big endian"),
                (4, "--write-xfer-implicit", "+ti", "implicit", "write implicit VR little endian"),
                (5, "--write-xfer-deflated", "+td", "deflated", "write deflated explicit VR little endian"),
                conflicts=tuple((other,) for other in ("--accept-all", "--bit-preserving", *COMPRESSED)),
            ),
        ),
    ),
    Section(
        _GROUP,
        "post-1993 value representations (not with --bit-preserving)",
        OUTPUT,
        alternatives(
            "newvr",
            "new_vrs",
            (1, "--enable-new-vr", "+u", True, "write VRs as they are"),
            (2, "--disable-new-vr", "-u", False, "write OB instead of VRs younger than 1993"),
            in_force="--enable-new-vr",
            conflicts=_NOT_BIT_PRESERVING,
        ),
    ),
    Section(
        _GROUP,
        "group length encoding (not with --bit-preserving)",
        OUTPUT,
        alternatives(
            "grouplen",
            "group_lengths",
            (1, "--group-length-recalc", "+g=", "recalc", "correct those that there are"),
            (2, "--group-length-create", "+g", "create", "write one for every group"),
            (3, "--group-length-remove", "-g", "remove", "write none"),
            in_force="--group-length-recalc",
            conflicts=_NOT_BIT_PRESERVING,
        ),
    ),
    Section(
        _GROUP,
        "length encoding in sequences and items (not with --bit-preserving)",
        OUTPUT,
        alternatives(
            "seqlen",
            "sequence_lengths",
            (1, "--length-explicit", "+e", "explicit", "write defined lengths"),
            (2, "--length-undefined", "-e", "undefined", "write undefined lengths and delimiters"),
            in_force="--length-explicit",
            conflicts=_NOT_BIT_PRESERVING,
        ),
    ),
    Section(
        _GROUP,
        "data set trailing padding (not with --write-dataset or --bit-preserving)",
        OUTPUT,
        (
            *alternatives(
                "padding", "padding", (1, "--padding-off", "-p", None, "no padding"), in_force="--padding-off"
            ),
            Option(
                "--padding-create",
                "+p",
                "padding",
                "pad files to a multiple of f bytes, and items\nto one of i bytes (both even; 0: none)",
                arguments=(
                    Argument("file-pad", "uint", 0, even=True),
                    Argument("item-pad", "uint", 0, even=True),
                ),
                block="padding:2",
                conflicts=(("--write-dataset",), ("--bit-preserving",)),
            ),
        ),
    ),
    Section(
        _GROUP,
        "handling of defined length UN elements",
        OUTPUT,
        alternatives(
            "un",
            "convert_un",
            (1, "--retain-un", "-uc", False, "leave them as they are"),
            (2, "--convert-un", "+uc", True, "give them the VR of the dictionary"),
            in_force="--retain-un",
        ),
    ),
    Section(
        _GROUP,
        "deflate compression level (only with --write-xfer-deflated/same)",
        OUTPUT,
        (
            Option(
                "--compression-level",
                "+cl",
                "compression_level",
                "0 (none), 1 (fastest) to 9 (best)",
                arguments=(Argument("level", "uint", 0, 9),),
                # Not 6, which zlib takes by itself: what arrives deflated is deflated anew if this is given.
                default=None,
                default_text="6",
                needs=(("--write-xfer-deflated", "--write-xfer-same"),),
            ),
        ),
    ),
    Section(
        _GROUP,
        "sorting into subdirectories",
        OUTPUT,
        (
            Option(
                "--sort-conc-studies",
                "-ss",
                "sorting",
                "one each time that a study begins: prefix p\nand time",
                arguments=_PREFIX,
                value="conc-studies",
                block="sort:1",
            ),
            Option(
                "--sort-on-study-uid",
                "-su",
                "sorting",
                "one for each study: prefix p and\nStudy Instance UID",
                arguments=_PREFIX,
                value="study-uid",
                block="sort:2",
            ),
            Option(
                "--sort-on-patientname",
                "-sp",
                "sorting",
                "one each time that a study begins: Patient's\nName and time",
                value=("patientname", ""),
                block="sort:3",
            ),
        ),
    ),
    Section(
        _GROUP,
        "filename generation",
        OUTPUT,
        (
            *alternatives(
                "names",
                "unique_filenames",
                (1, "--default-filenames", "-uf", False, "name files by SOP instance UID"),
                (2, "--unique-filenames", "+uf", True, "new name for each file"),
                in_force="--default-filenames",
            ),
            Option(
                "--timenames",
                "-tn",
                "timenames",
                "name files by the time of their arrival",
                conflicts=(("--unique-filenames",),),
            ),
            Option(
                "--filename-extension",
                "-fe",
                "filename_extension",
                "end of all file names, with its dot",
                arguments=(Argument("extension", "string"),),
                default="",
            ),
        ),
    ),
)
