"""The environment of a command: the daemon's, and in variables what is known, as it came from the network.

    SCPD_CALLING_AET          SCPD_CALLED_AET           SCPD_PEER
    SCPD_TLS_SUBJECT          SCPD_TLS_ISSUER
    SCPD_DIRECTORY            SCPD_FILE                 SCPD_OBJECTS
    SCPD_SOP_CLASS_UID        SCPD_SOP_INSTANCE_UID     SCPD_STUDY_INSTANCE_UID    SCPD_TRANSFER_SYNTAX_UID

These values are whole, where the placeholders of a command (`jobs.placeholders`) are reduced to what a shell can be
given; a script that puts one into double quotes ("$SCPD_FILE") need not fear it, unless it begins with a dash.  What is
not available is not set, even if the daemon itself was started by such a command.  NUL, which no environment can hold,
is removed.  Pure; raises nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.jobs.values import Values

# Variable > attribute of `Values`.
VARIABLES = {
    "SCPD_CALLING_AET": "calling_aet",
    "SCPD_CALLED_AET": "called_aet",
    "SCPD_PEER": "peer",
    "SCPD_TLS_SUBJECT": "tls_subject",
    "SCPD_TLS_ISSUER": "tls_issuer",
    "SCPD_FILE": "file",
    "SCPD_DIRECTORY": "directory",
    "SCPD_SOP_CLASS_UID": "sop_class_uid",
    "SCPD_SOP_INSTANCE_UID": "sop_instance_uid",
    "SCPD_STUDY_INSTANCE_UID": "study_instance_uid",
    "SCPD_TRANSFER_SYNTAX_UID": "transfer_syntax_uid",
    "SCPD_OBJECTS": "objects",
}


def environment(values: Values, daemon: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a command; `daemon` is what the daemon itself was given."""
    given = {name: value for name, value in daemon.items() if name not in VARIABLES}
    for name, attribute in VARIABLES.items():
        value = getattr(values, attribute)
        if value is not None:
            given[name] = str(value).replace("\0", "")
    return given
