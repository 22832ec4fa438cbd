"""What is known to a command (--exec-on-reception, --exec-on-eostudy) of its object or study.

Values come from the network by way of the lock directory and may be anything.  What is not available is `None`: the
file at the end of a study; both directories and the file with --ignore.
"""

from __future__ import annotations


class Values:
    """One object's or study's; whoever makes it assigns what there is."""

    __slots__ = (
        "called_aet",
        "calling_aet",
        "extension",
        "file",
        "objects",
        "output_directory",
        "peer",
        "place",
        "prefix",
        "sop_class_uid",
        "sop_instance_uid",
        "study_directory",
        "study_instance_uid",
        "tls_issuer",
        "tls_subject",
        "transfer_syntax_uid",
    )

    def __init__(self, output_directory: str | None = None, prefix: str = "", extension: str = "") -> None:
        # The administrator's: from the options of the process that runs the command, never from a record.
        self.output_directory = output_directory
        self.prefix = prefix  # of a sort option
        self.extension = extension  # --filename-extension
        self.place: str | None = None  # the output directory, if --peers gives the title one of its own
        # The network's.
        self.study_directory: str | None = None  # its name in the output directory
        self.file: str | None = None  # its name, without directory
        self.calling_aet: str | None = None
        self.called_aet: str | None = None
        self.peer: str | None = None  # host name, or address
        self.tls_subject: str | None = None  # of its certificate (RFC 4514)
        self.tls_issuer: str | None = None
        self.sop_class_uid: str | None = None
        self.sop_instance_uid: str | None = None
        self.study_instance_uid: str | None = None
        self.transfer_syntax_uid: str | None = None
        self.objects: int | None = None  # so many

    @property
    def directory(self) -> str | None:
        """The directory of the file, or of the study's files."""
        if self.output_directory is None or not self.study_directory:
            return self.output_directory
        return f"{self.output_directory}/{self.study_directory}"
