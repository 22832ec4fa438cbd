"""C-ECHO as SCU: does a DICOM service answer there? (PS3.4 annex A, PS3.7 9.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpd.requestor.association import AssociationError, open_association

if TYPE_CHECKING:
    from scpd.requestor.association import Peer

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def echo(peer: Peer) -> None:
    """Associate, send one C-ECHO, release.

    Raises `AssociationError` unless the response's status is 0000H.
    """
    syntaxes = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]
    association = open_association(peer, [(VERIFICATION, syntaxes)])
    if not association.is_alive:
        reason = association.refusal(VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN)
        raise AssociationError(f"{peer} does not accept Verification: {reason}")
    status = association.echo()
    association.release()
    if status != 0:
        raise AssociationError(f"{peer} answered the C-ECHO with status {status:04X}H")
