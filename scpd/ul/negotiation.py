"""Which presentation contexts an association gets, and which requests are refused (PS3.8 9.3.2 to 9.3.4, 7.1.1).

Pure decisions, with storescp's results: the acceptor's order of transfer syntaxes decides, each context is decided
alone, every context of the request gets one answer in the order of the request.  What storescp leaves without an
answer gets one here.  Raises `Reject` with the fields of the A-ASSOCIATE-RJ.
"""

from __future__ import annotations

from scpd.errors import Reject
from scpd.ul import pdus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from scpd.ul.items import ProposedContext

# Results of a presentation context (PS3.8 9.3.3.2).
ACCEPTANCE = 0
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

# A-ASSOCIATE-RJ: result, source and reasons (PS3.8 9.3.4).
PERMANENT = 1
SERVICE_USER = 1
SERVICE_PROVIDER = 2
NO_REASON = 1
APPLICATION_CONTEXT_NOT_SUPPORTED = 2
CALLING_AE_TITLE_NOT_RECOGNIZED = 3
CALLED_AE_TITLE_NOT_RECOGNIZED = 7
PROTOCOL_VERSION_NOT_SUPPORTED = 2

_IMPLICIT_LITTLE = "1.2.840.10008.1.2"

# What we send in one PDU even if the peer sets no limit, and the least that holds a fragment of two bytes.
LARGEST_PDU = 131072
_LEAST_PDU = 8


class Policy:
    """What may be negotiated.

    `transfer_syntaxes` best first; `sop_classes` accepted by name; `known` are the abstract syntaxes that a promiscuous
    acceptor nevertheless refuses unless they are among `sop_classes`, `None` if it is not promiscuous.
    """

    __slots__ = ("known", "sop_classes", "transfer_syntaxes")

    def __init__(
        self,
        transfer_syntaxes: tuple[str, ...],
        sop_classes: Container[str],
        known: Container[str] | None = None,
    ) -> None:
        self.transfer_syntaxes = transfer_syntaxes
        self.sop_classes = sop_classes
        self.known = known

    def accepts(self, abstract_syntax: str) -> bool:
        """Tell whether a context of this abstract syntax may be accepted."""
        if abstract_syntax in self.sop_classes:
            return True
        return self.known is not None and abstract_syntax not in self.known


class Context:
    """An accepted presentation context."""

    __slots__ = ("abstract_syntax", "context_id", "transfer_syntax")

    def __init__(self, context_id: int, abstract_syntax: str, transfer_syntax: str) -> None:
        self.context_id = context_id
        self.abstract_syntax = abstract_syntax
        self.transfer_syntax = transfer_syntax


def check_request(request: pdus.AssociateRequest) -> None:
    """Raise `Reject` if no association of this request can be: version, titles, contexts, lengths."""
    if not request.protocol_version & 1:
        text = f"protocol version {request.protocol_version:04X}H"
        raise Reject(PERMANENT, SERVICE_PROVIDER, PROTOCOL_VERSION_NOT_SUPPORTED, text)
    if not request.calling_ae_title.strip(b" "):
        raise Reject(PERMANENT, SERVICE_USER, CALLING_AE_TITLE_NOT_RECOGNIZED, "blank calling AE title")
    if not request.called_ae_title.strip(b" "):
        raise Reject(PERMANENT, SERVICE_USER, CALLED_AE_TITLE_NOT_RECOGNIZED, "blank called AE title")
    if request.application_context_name != pdus.APPLICATION_CONTEXT_NAME:
        text = f"application context name {request.application_context_name!r}"
        raise Reject(PERMANENT, SERVICE_USER, APPLICATION_CONTEXT_NOT_SUPPORTED, text)
    if not request.contexts:
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, "no presentation contexts")
    if 0 < request.user.max_length < _LEAST_PDU:
        text = f"maximum length {request.user.max_length} leaves no room for an answer"
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, text)


def peer_max_pdu(request: pdus.AssociateRequest) -> int:
    """Give the longest P-DATA-TF length to send, in bytes (PS3.8 D.1: 0 is unlimited)."""
    return min(request.user.max_length or LARGEST_PDU, LARGEST_PDU)


def negotiate(
    proposed: tuple[ProposedContext, ...], policy: Policy
) -> tuple[list[tuple[int, int, str]], dict[int, Context]]:
    """Decide each context: the answer's items (id, result, transfer syntax), and the accepted contexts by id.

    An id proposed twice gets one answer: accepted if any entry of it is, with the best transfer syntax of them, as
    storescp has it, under the abstract syntax of the first entry that is accepted.  A refused context names implicit
    little endian.
    """
    answers: dict[int, tuple[int, int, str]] = {}
    first: dict[int, str] = {}
    ranks: dict[int, int] = {}
    for context in proposed:
        context_id = context.context_id
        result, rank = _decide(context, policy)
        if result == ACCEPTANCE:
            first.setdefault(context_id, context.abstract_syntax)
        if context_id not in answers or (result == ACCEPTANCE and rank < ranks[context_id]):
            syntax = policy.transfer_syntaxes[rank] if result == ACCEPTANCE else _IMPLICIT_LITTLE
            answers[context_id] = (context_id, result, syntax)
            ranks[context_id] = rank
    accepted = {
        context_id: Context(context_id, first[context_id], syntax)
        for context_id, result, syntax in answers.values()
        if result == ACCEPTANCE
    }
    return list(answers.values()), accepted


def _decide(context: ProposedContext, policy: Policy) -> tuple[int, int]:
    """Give the result for one proposed context and the rank of its transfer syntax (past the end if refused)."""
    if not policy.accepts(context.abstract_syntax):
        return ABSTRACT_SYNTAX_NOT_SUPPORTED, len(policy.transfer_syntaxes)
    for rank, syntax in enumerate(policy.transfer_syntaxes):
        if syntax in context.transfer_syntaxes:
            return ACCEPTANCE, rank
    return TRANSFER_SYNTAXES_NOT_SUPPORTED, len(policy.transfer_syntaxes)
