"""Association requests and answers as text, in storescp's layout (+v, and the debug level).

Pure functions; what comes from the peer stands in the text as printable ASCII.  Passcodes, tickets and tokens are never
dumped (storescp writes the passcode).  This module and the table of names are for those who want dumps: a master whose
log level asks for them imports both before it listens.
"""

from __future__ import annotations

from scpd.tables.uid_names import UID_NAMES
from scpd.ul import negotiation, roles
from scpd.ul.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scpd.ul.items import ProposedContext, UserIdentity, UserInformation
    from scpd.ul.negotiation import Answer, Policy
    from scpd.ul.pdus import AssociateRequest

_RESULTS = {
    negotiation.ACCEPTANCE: "Accepted",
    1: "User Rejected",
    negotiation.PROVIDER_REJECTION: "No Reason",
    negotiation.ABSTRACT_SYNTAX_NOT_SUPPORTED: "Abstract Syntax Not Supported",
    negotiation.TRANSFER_SYNTAXES_NOT_SUPPORTED: "Transfer Syntaxes Not Supported",
}
_ROLES = {roles.SCU: "SCU", roles.SCP: "SCP", roles.BOTH: "SCP/SCU"}
_DEFAULT_ROLE = "Default"
# User identity: kind > its name, and what the value is called (PS3.7 D.3.3.7.1).
_IDENTITIES = {
    1: (" 1: Username", ""),
    2: (" 2: Username/Password", ""),
    3: (" 3: Kerberos", "Kerberos Service Ticket"),
    4: (" 4: SAML", "SAML Assertion"),
    5: (" 5: JWT", "JSON Web Token"),
}


def uid_text(uid: str) -> str:
    """Give the name of a UID behind `=`, the UID itself if it has none."""
    name = UID_NAMES.get(uid)
    return printable(uid) if name is None else f"={name}"


def request_text(request: AssociateRequest, own: UserInformation) -> str:
    """Give an A-ASSOCIATE-RQ as text, without a line feed at its end; `own` is what its acceptor says of itself."""
    proposed = roles.proposals(request.user.roles)
    lines = _head("RQ", request, own, "")
    for context in request.contexts:
        lines += _context(context, "Proposed", proposed)
        lines.append("    Proposed Transfer Syntax(es):")
        lines += (f"      {uid_text(syntax)}" for syntax in context.transfer_syntaxes)
    lines += _tail("RQ", request, ())
    return "\n".join(lines)


def accept_text(request: AssociateRequest, answer: Answer, own: UserInformation, policy: Policy) -> str:
    """Give the A-ASSOCIATE-AC that answers a request as text; of contexts with one id only the first is shown."""
    proposed = roles.proposals(request.user.roles)
    selected = {} if policy.profile is None else policy.profile.roles
    contexts: dict[int, ProposedContext] = {}
    for context in request.contexts:
        contexts.setdefault(context.context_id, context)
    lines = _head("AC", request, own, printable(request.called_ae_title))
    for context_id, result, syntax in answer.contexts:
        context = contexts[context_id]
        lines += _context(context, _RESULTS[result], proposed)
        is_selected = result in (negotiation.ACCEPTANCE, negotiation.PROVIDER_REJECTION)
        role = selected.get(context.abstract_syntax, "") if is_selected else ""
        lines.append(f"    Accepted SCP/SCU Role: {_ROLES.get(role, _DEFAULT_ROLE)}")
        if result == negotiation.ACCEPTANCE:
            lines.append(f"    Accepted Transfer Syntax: {uid_text(syntax)}")
    lines += _tail("AC", request, answer.extended)
    return "\n".join(lines)


def _head(kind: str, request: AssociateRequest, own: UserInformation, responding: str) -> list[str]:
    their = request.user
    return [
        f"====================== BEGIN A-ASSOCIATE-{kind} =====================",
        f"Our Implementation Class UID:      {own.implementation_class_uid}",
        f"Our Implementation Version Name:   {own.implementation_version_name}",
        f"Their Implementation Class UID:    {printable(their.implementation_class_uid)}",
        f"Their Implementation Version Name: {printable(their.implementation_version_name)}",
        f"Application Context Name:    {printable(request.application_context_name)}",
        f"Calling Application Name:    {printable(request.calling_ae_title)}",
        f"Called Application Name:     {printable(request.called_ae_title)}",
        f"Responding Application Name: {responding}",
        f"Our Max PDU Receive Size:    {own.max_length}",
        f"Their Max PDU Receive Size:  {their.max_length}",
        "Presentation Contexts:",
    ]


def _context(context: ProposedContext, state: str, proposed: Mapping[str, str]) -> tuple[str, ...]:
    role = proposed.get(context.abstract_syntax, "")
    return (
        f"  Context ID:        {context.context_id} ({state})",
        f"    Abstract Syntax: {uid_text(context.abstract_syntax)}",
        f"    Proposed SCP/SCU Role: {_ROLES.get(role, _DEFAULT_ROLE)}",
    )


def _tail(kind: str, request: AssociateRequest, accepted: tuple[tuple[str, bytes], ...]) -> Iterable[str]:
    yield from _extended("Requested Extended Negotiation:", " none", request.user.extended)
    yield from _extended("Accepted Extended Negotiation:", "  none", accepted)
    yield from _identity(request.user.user_identity)
    yield "User Identity Negotiation Response:  none"
    yield f"======================= END A-ASSOCIATE-{kind} ======================"


def _extended(title: str, none: str, items: tuple[tuple[str, bytes], ...]) -> Iterator[str]:
    yield title if items else title + none
    for uid, data in items:
        yield f"  ={UID_NAMES.get(uid, 'Unknown-UID')} ({printable(uid)})"
        yield f"    [{', '.join(f'0x{byte:02x}' for byte in data)}]"


def _identity(identity: UserIdentity | None) -> Iterator[str]:
    title = "Requested User Identity Negotiation:"
    if identity is None:
        yield f"{title} none"
        return
    yield title
    kind, secret = _IDENTITIES.get(identity.kind, (": Unknown ", ""))
    yield f"  Authentication mode{kind}"
    if secret:
        yield f"  {secret} (not dumped) length: {len(identity.primary)}"
    elif identity.kind in _IDENTITIES:
        yield f"  Username: [{printable(identity.primary)}]"
        if identity.kind == 2:
            yield f"  Password (not dumped) length: {len(identity.secondary)}"
    else:
        yield f"  First value (not dumped), length: {len(identity.primary)}"
        yield f"  Second Value (not dumped), length: {len(identity.secondary)}"
    yield f"  Positive Response requested: {'Yes' if identity.response_requested else 'No'}"
