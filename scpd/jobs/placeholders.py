"""The placeholders in the text of a command, as storescp 3.6.7 replaces them:

    #p    output directory, or with sorting that of the study; with --ignore it stays
    #f    name of the file; with --ignore, and at the end of a study, it stays
    #a    calling AE title, between double quotes
    #c    called AE title, between double quotes
    #r    host name of the peer up to its first dot, or its address

in this order, each over the whole text.

The text is for a shell, and nobody but the administrator may say anything to it.  What is his stays as it is: the
command, the output directory, the prefix of a study directory and the extension of a file name.  In all else, which
comes from the network, only `A-Za-z0-9-.:@_` and space are left, as in the names of files (`store.names`), and
underscores take the place of everything else.  None of these means anything to a shell, save a space outside quotes.
So, where storescp would let a peer add arguments to a command, this differs:

    #p #f #r    a space becomes an underscore, too: they are not quoted
    #a #c       the same if the placeholder may stand between double quotes, which the title's own would end
    all         a dash or dot at the begin becomes an underscore: no value is an option, hidden, or the way up

The full values are in the environment (`jobs.environment`).  Pure; raises nothing.
"""

from __future__ import annotations

from scpd.store.names import sanitised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.jobs.values import Values

_DIRECTORY, _FILE, _CALLING, _CALLED, _PEER = "#p", "#f", "#a", "#c", "#r"
_DIGITS_AND_DOTS = frozenset("0123456789.")
# Behind these, quotes of a command may mean something else than they seem to: substitutions, here-documents, comments.
_BEYOND_US = ("$(", "${", "`", "<<", "\n")


def expand(command: str, values: Values) -> str:
    """Give the command with its placeholders replaced; those of values that are not available stay."""
    if values.output_directory is not None:
        command = command.replace(_DIRECTORY, _directory(values, values.output_directory))
    if values.file is not None:
        command = command.replace(_FILE, _file_name(values.file, values.extension))
    if values.calling_aet is not None:
        command = _with_title(command, _CALLING, values.calling_aet)
    if values.called_aet is not None:
        command = _with_title(command, _CALLED, values.called_aet)
    if values.peer is not None:
        command = command.replace(_PEER, _begun(_one_word(_host(values.peer))))
    return command


def _directory(values: Values, output_directory: str) -> str:
    name = values.study_directory
    if not name:
        return output_directory
    own = values.prefix if name.startswith(values.prefix) else ""
    rest = _one_word(name.removeprefix(own))
    return f"{output_directory}/{own}{rest if own else _begun(rest)}"


def _file_name(name: str, extension: str) -> str:
    if name == extension or not name.endswith(extension):
        extension = ""
    return _begun(_one_word(name.removesuffix(extension))) + extension


def _host(peer: str) -> str:
    """Give the first label of a name; an address has none."""
    return peer if ":" in peer or _DIGITS_AND_DOTS.issuperset(peer) else peer.partition(".")[0]


def _with_title(command: str, placeholder: str, title: str) -> str:
    title = _begun(sanitised(title))
    text = ""
    for index, piece in enumerate(command.split(placeholder)):
        if index:
            text += f'"{_one_word(title) if _may_be_in_double_quotes(text) else title}"'
        text += piece
    return text


def _may_be_in_double_quotes(text: str) -> bool:
    """Tell whether a shell that has read so far may be between double quotes (sh(1), Quoting).

    Between single quotes it is the shell that may get such a text to read.  What would need a shell's whole grammar
    to tell is taken for yes: then a title loses a space for nothing.
    """
    if any(sign in text for sign in _BEYOND_US):
        return True
    quote, is_double, characters = "", False, iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            if next(characters, None) is None:
                return True  # it would take the title's first quote for a character
        elif character == '"':
            is_double = not is_double
            quote = quote or '"' if is_double or quote == "'" else ""
        elif character == "'" and quote != '"':
            quote = "" if quote else "'"
            is_double = False
    return is_double


def _one_word(text: str) -> str:
    return sanitised(text).replace(" ", "_")


def _begun(text: str) -> str:
    return f"_{text[1:]}" if text.startswith(("-", ".")) else text
