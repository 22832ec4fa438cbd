"""Which presentation contexts an association gets, and which requests are refused (PS3.8 9.3.2 to 9.3.4, 7.1.1).

Pure decisions, with storescp's results: the acceptor's order of transfer syntaxes decides, each context is decided
alone, every context of the request gets one answer in the order of the request.  A profile (--config-file) has an order
of its own for each abstract syntax, and may select roles and answer extended negotiation (PS3.7 D.3.3.4 and D.3.3.5).
What storescp leaves without an answer gets one here.  Raises `Reject` with the fields of the A-ASSOCIATE-RJ.
"""

from __future__ import annotations

from scpd.errors import Reject
from scpd.ul import pdus, roles
from scpd.ul.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from scpd.ul.items import ProposedContext, RoleSelection
    from scpd.ul.profiles import Profile

# Results of a presentation context (PS3.8 9.3.3.2).
ACCEPTANCE = 0
PROVIDER_REJECTION = 2  # no reason
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

# A-ASSOCIATE-RJ: result, source and reasons (PS3.8 9.3.4).
PERMANENT = 1
TRANSIENT = 2
SERVICE_USER = 1
SERVICE_PROVIDER = 2
SERVICE_PROVIDER_PRESENTATION = 3
NO_REASON = 1
APPLICATION_CONTEXT_NOT_SUPPORTED = 2
CALLING_AE_TITLE_NOT_RECOGNIZED = 3
CALLED_AE_TITLE_NOT_RECOGNIZED = 7
PROTOCOL_VERSION_NOT_SUPPORTED = 2
TEMPORARY_CONGESTION = 1
LOCAL_LIMIT_EXCEEDED = 2

_IMPLICIT_LITTLE = "1.2.840.10008.1.2"

# What we send in one PDU even if the peer sets no limit, and the least that holds a fragment of two bytes.
LARGEST_PDU = 131072
_LEAST_PDU = 8

_PAST_ANY = 1 << 16  # a rank behind any in a list of transfer syntaxes


class Policy:
    """What may be negotiated.

    `transfer_syntaxes` best first; `sop_classes` accepted by name; `known` are the abstract syntaxes that a promiscuous
    acceptor nevertheless refuses unless they are among `sop_classes`, `None` if it is not promiscuous.  What `profile`
    names goes by the profile, whatever the others say.  `refuse` is for no request to get an association, `reject` for
    none without an implementation class UID.
    """

    __slots__ = ("known", "profile", "refuse", "reject", "sop_classes", "transfer_syntaxes")

    def __init__(
        self,
        transfer_syntaxes: tuple[str, ...],
        sop_classes: Container[str],
        known: Container[str] | None = None,
        *,
        profile: Profile | None = None,
        refuse: bool = False,
        reject: bool = False,
    ) -> None:
        self.transfer_syntaxes = transfer_syntaxes
        self.sop_classes = sop_classes
        self.known = known
        self.profile = profile
        self.refuse = refuse
        self.reject = reject

    def accepts(self, abstract_syntax: str) -> bool:
        """Tell whether a context of this abstract syntax may be accepted."""
        return self.syntaxes_for(abstract_syntax) is not None

    def syntaxes_for(self, abstract_syntax: str) -> tuple[str, ...] | None:
        """Give the transfer syntaxes for an abstract syntax, best first, `None` if it is not accepted."""
        if self.profile is not None and abstract_syntax in self.profile.transfer_syntaxes:
            return self.profile.transfer_syntaxes[abstract_syntax]
        if abstract_syntax in self.sop_classes:
            return self.transfer_syntaxes
        if self.known is not None and abstract_syntax not in self.known:
            return self.transfer_syntaxes
        return None


class Context:
    """An accepted presentation context."""

    __slots__ = ("abstract_syntax", "context_id", "transfer_syntax")

    def __init__(self, context_id: int, abstract_syntax: str, transfer_syntax: str) -> None:
        self.context_id = context_id
        self.abstract_syntax = abstract_syntax
        self.transfer_syntax = transfer_syntax


class Answer:
    """What is negotiated.

    `contexts` are the answer's items (id, result, transfer syntax), `accepted` the accepted contexts by id, `roles` and
    `extended` the answer's items of a profile.
    """

    __slots__ = ("accepted", "contexts", "extended", "roles")

    def __init__(
        self,
        contexts: list[tuple[int, int, str]],
        accepted: dict[int, Context],
        roles: tuple[RoleSelection, ...] = (),
        extended: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        self.contexts = contexts
        self.accepted = accepted
        self.roles = roles
        self.extended = extended


def check_request(request: pdus.AssociateRequest, policy: Policy) -> None:
    """Raise `Reject` if no association of this request can be: version, orders, titles, contexts, lengths."""
    if not request.protocol_version & 1:
        text = f"protocol version {request.protocol_version:04X}H"
        raise Reject(PERMANENT, SERVICE_PROVIDER, PROTOCOL_VERSION_NOT_SUPPORTED, text)
    if policy.refuse:
        text = "Refusing Association (forced via command line)"
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, text)
    _check_titles(request)
    if request.application_context_name != pdus.APPLICATION_CONTEXT_NAME:
        text = f"Bad Application Context Name: {printable(request.application_context_name)}"
        raise Reject(PERMANENT, SERVICE_USER, APPLICATION_CONTEXT_NOT_SUPPORTED, text)
    if policy.reject and not request.user.implementation_class_uid:
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, "No Implementation Class UID provided")
    _check_usefulness(request)


def _check_titles(request: pdus.AssociateRequest) -> None:
    if not request.calling_ae_title.strip(b" "):
        raise Reject(PERMANENT, SERVICE_USER, CALLING_AE_TITLE_NOT_RECOGNIZED, "blank calling AE title")
    if not request.called_ae_title.strip(b" "):
        raise Reject(PERMANENT, SERVICE_USER, CALLED_AE_TITLE_NOT_RECOGNIZED, "blank called AE title")


def _check_usefulness(request: pdus.AssociateRequest) -> None:
    if not request.contexts:
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, "no presentation contexts")
    if 0 < request.user.max_length < _LEAST_PDU:
        text = f"maximum length {request.user.max_length} leaves no room for an answer"
        raise Reject(PERMANENT, SERVICE_USER, NO_REASON, text)


def peer_max_pdu(request: pdus.AssociateRequest) -> int:
    """Give the longest P-DATA-TF length to send, in bytes (PS3.8 D.1: 0 is unlimited)."""
    return min(request.user.max_length or LARGEST_PDU, LARGEST_PDU)


def negotiate(
    proposed: tuple[ProposedContext, ...], policy: Policy, role_items: tuple[RoleSelection, ...] = ()
) -> Answer:
    """Decide each context, and the roles that go with it.

    An id proposed twice gets one answer: accepted if any entry of it is, with the best transfer syntax of them, as
    storescp has it, under the abstract syntax of the first entry that is accepted.  A refused context names implicit
    little endian.
    """
    profile = policy.profile
    if profile is None:
        return _decide_all(proposed, policy, frozenset())
    proposed_roles = roles.proposals(role_items)
    answer = _decide_all(proposed, policy, roles.refused(profile.roles, proposed_roles))
    accepted = {context.abstract_syntax: None for context in answer.accepted.values()}
    answer.roles = roles.granted(profile.roles, proposed_roles, accepted)
    answer.extended = tuple(item for item in profile.extended if item[0] in accepted)
    return answer


def _decide_all(proposed: tuple[ProposedContext, ...], policy: Policy, refused: frozenset[str]) -> Answer:
    answers: dict[int, tuple[int, int, str]] = {}
    first: dict[int, str] = {}
    ranks: dict[int, int] = {}
    for context in proposed:
        context_id = context.context_id
        result, rank, syntax = _decide(context, policy, refused)
        if result == ACCEPTANCE:
            first.setdefault(context_id, context.abstract_syntax)
        if context_id not in answers or (result == ACCEPTANCE and rank < ranks[context_id]):
            answers[context_id] = (context_id, result, syntax)
            ranks[context_id] = rank
    accepted: dict[int, Context] = {}
    for context_id, result, syntax in answers.values():
        if result == ACCEPTANCE:
            accepted[context_id] = Context(context_id, first[context_id], syntax)
    return Answer(list(answers.values()), accepted)


def _decide(context: ProposedContext, policy: Policy, refused: frozenset[str]) -> tuple[int, int, str]:
    """Give result, rank of the transfer syntax (past any if refused), and that for the answer's item."""
    supported = policy.syntaxes_for(context.abstract_syntax)
    if supported is None:
        return ABSTRACT_SYNTAX_NOT_SUPPORTED, _PAST_ANY, _IMPLICIT_LITTLE
    for rank, syntax in enumerate(supported):
        if syntax in context.transfer_syntaxes:
            if context.abstract_syntax in refused:
                return PROVIDER_REJECTION, _PAST_ANY, _IMPLICIT_LITTLE
            return ACCEPTANCE, rank, syntax
    return TRANSFER_SYNTAXES_NOT_SUPPORTED, _PAST_ANY, _IMPLICIT_LITTLE
