"""hosts.allow and hosts.deny made up at random, around a client and a service that their patterns often mean.

`well_formed` makes what libwrap and its manual agree about; `DEFECTS` are the lines that libwrap gets wrong, by name.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from tests.harness.libwrap import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

DAEMONS = ("storescp", "scpd", "sshd", "in.telnetd", "Dcm.Recv", "store_scp")
IPV4 = ("10.1.2.3", "192.168.200.12", "203.0.113.9", "127.0.0.1", "8.12.100.255", "172.16.0.1")
IPV6 = ("2001:db8::1", "2001:db8:0:1::ab", "::1", "fe80::2", "fd00:1:2:3::1", "2001:db8:20:1::5")
NAMES = (
    "ct1",
    "localhost",
    "ct1.rad.example",
    "mr-2.rad.example",
    "Modality.Example.NET",
    "www.test",
    "pacs",
)
USERS = ("unknown", "alice", "Bob", "www-data")
PORTS = (0, 104, 11112)
_SEPARATORS = (" ", " ", " ", ", ", "\t", " , ,", "  ", ",")


@dataclass
class Case:
    """One question, and the tables that answer it; `files` are the pattern files, by name."""

    seed: int
    daemon: str
    user: str
    client_address: str
    client_name: str
    server_address: str
    server_name: str
    server_port: int
    folder: str
    allow: list[str] = field(default_factory=list)
    deny: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def question(self) -> dict[str, object]:
        """Give who asks for what."""
        names = (
            "daemon",
            "user",
            "client_address",
            "client_name",
            "server_address",
            "server_name",
            "server_port",
        )
        return {name: getattr(self, name) for name in names}


class Maker:
    """Makes the parts of one case."""

    def __init__(self, seed: int, folder: str) -> None:
        self.any = random.Random(seed)
        pick = self.any.choice
        self.case = Case(
            seed=seed,
            daemon=pick(DAEMONS),
            user=pick(USERS),
            client_address=self._address(),
            client_name=pick((*NAMES, "unknown", "unknown", "paranoid")),
            server_address=pick((self._address(), "unknown")),
            server_name=pick((*NAMES, "unknown")),
            server_port=pick(PORTS),
            folder=folder,
        )

    def _address(self) -> str:
        pick = self.any.choice
        return pick((pick(IPV4), pick(IPV4), pick(IPV6), "::ffff:" + pick(IPV4), "unknown"))

    def chance(self, share: float) -> bool:
        return self.any.random() < share

    def cased(self, word: str) -> str:
        return self.any.choice((word, word, word.upper(), word.lower(), word.title()))

    def address_patterns(self, address: str) -> list[str]:
        """Give patterns that mean the address, or nearly."""
        pick = self.any.choice
        address = address.removeprefix("::ffff:")
        if address == "unknown":
            return ["UNKNOWN", "unknow*", "[::]/0", "10."]
        if ":" in address:
            length = pick((0, 1, 10, 32, 48, 64, 65, 127, 128))
            exact = pick((address, ip_address(address).exploded, address.upper()))
            net = IPv6Network((address, length), strict=False).network_address
            return [f"[{exact}]", f"[{net}]/{length}", f"[{address}]/{length}", f"{address[:4].strip(':')}*"]
        numbers = address.split(".")
        length = pick((1, 7, 8, 12, 16, 20, 24, 25, 31, 32))
        net = ip_network(f"{address}/{length}", strict=False)
        holes = ".".join(number if keep else "0" for number, keep in zip(numbers, (1, 0, 1, 0), strict=True))
        masks = [f"{net}", f"{holes}/255.0.255.0", "0.0.0.0/0.0.0.0"]
        if length < 32:
            assert isinstance(net, IPv4Network)
            masks.append(f"{net.network_address}/{net.netmask}")
        count = pick((1, 2, 3))
        return [
            address,
            ".".join(numbers[:count]) + ".",
            "." + ".".join(numbers[count:]),
            f"{numbers[0]}.*",
            f"{numbers[0]}.?*.{numbers[3]}",
            address[:-1] + "?",
            *masks,
        ]

    def name_patterns(self, name: str) -> list[str]:
        """Give patterns that mean the name, or nearly."""
        first, _, rest = name.partition(".")
        inside = self.any.randrange(1, len(name))
        return [
            self.cased(name),
            self.cased("." + (rest or "example")),
            self.cased(first) + ".",
            f"{name[:inside]}*",
            f"*{name[-2:]}" if name[-2:].isalpha() else f"{first}*",
            name.replace("e", "?", 1) if "e" in name else name[:1] + "*",
        ]

    def host(self, address: str, name: str) -> str:
        """Give one pattern for a host."""
        pick = self.any.choice
        if self.chance(0.3):
            address, name = pick((*IPV4, *IPV6)), pick(NAMES)
        if self.chance(0.25):
            return self.cased(pick(("ALL", "KNOWN", "LOCAL", "UNKNOWN", "PARANOID", "@nogroup")))
        if self.chance(0.08):
            return self._file(address, name)
        return pick((pick(self.address_patterns(address)), pick(self.name_patterns(name))))

    def _file(self, address: str, name: str) -> str:
        words = [
            self.any.choice((*self.address_patterns(address), *self.name_patterns(name)))
            for _ in range(self.any.randrange(1, 4))
        ]
        file = f"list{len(self.case.files)}"
        self.case.files[file] = self.any.choice((" ", "\n", "\t")).join(words) + self.any.choice(("", "\n"))
        return f"{self.case.folder}/{file}"

    def client(self) -> str:
        """Give one element of a client list."""
        host = self.host(self.case.client_address, self.case.client_name)
        if not self.chance(0.15):
            return host
        user = self.any.choice(
            (self.case.user, self.cased(self.case.user), "ALL", "KNOWN", "UNKNOWN", "al*", "root")
        )
        return f"{user}@{host}"

    def daemon(self) -> str:
        """Give one element of a daemon list."""
        pick, own = self.any.choice, self.case.daemon
        name = pick(
            (
                own,
                own,
                "ALL",
                self.cased(own),
                pick(DAEMONS),
                own[:3] + "*",
                "*" + own[-2:],
                "KNOWN",
                "104",
                "0104",
            )
        )
        if not self.chance(0.15):
            return name
        return f"{name}@{self.host(self.case.server_address, self.case.server_name)}"

    def list(self, element: Callable[[], str]) -> str:
        """Give a list with EXCEPT now and then."""
        parts = [
            [element() for _ in range(self.any.choice((1, 1, 2, 3)))]
            for _ in range(self.any.choice((1, 1, 1, 1, 2, 2, 3, 4)))
        ]
        words: list[str] = []
        for part in parts:
            words += [*([self.cased("EXCEPT")] if words else []), *part]
        text = words[0]
        for word in words[1:]:
            text += self.any.choice(_SEPARATORS) + word
        return text

    def rule(self, mark: str) -> str:
        """Give one rule without its newline."""
        blank = self.any.choice(("", " ", "\t"))
        text = f"{self.list(self.daemon)}{blank}:{blank}{self.list(self.client)}"
        options = []
        if self.chance(0.6):
            options.append(self.any.choice((f"setenv {MARK} {mark}", f"setenv = {MARK} {mark}")))
            if self.chance(0.2):
                options.append(
                    self.any.choice(("severity daemon.info", "umask 022", "nice 0", "setenv X a\\:b"))
                )
            if self.chance(0.4):
                options.append(self.cased(self.any.choice(("allow", "deny"))))
        return blank.join((text, *(f":{blank}{option}" for option in options)))

    def lines(self, which: str) -> list[str]:
        """Give the lines of a table, each with its newline."""
        lines = []
        for number in range(self.any.choice((0, 1, 1, 2, 3, 5))):
            end = self.any.choice(("\n", "\n", "\n", " \n", "\r\n"))
            rule = self.rule(f"{which}{number}") + end
            if end == "\n" and self.chance(0.15):
                place = self.any.randrange(1, len(rule))
                rule = rule[:place] + "\\\n" + rule[place:]
                if "\\\\" in rule:
                    rule = rule.replace("\\\n", "")
            lines.append(self.any.choice(("", "", "", "# a comment: of ALL\n", " \t\n")) + rule)
        if which == "deny" and self.chance(0.5):
            lines.append(f"ALL: ALL: setenv {MARK} all\n")
        return lines


def well_formed(seed: int, folder: str) -> Case:
    """Make a case about which there is nothing to say."""
    maker = Maker(seed, folder)
    maker.case.allow, maker.case.deny = maker.lines("allow"), maker.lines("deny")
    return maker.case


# What libwrap gets wrong, as scpd_access(5) lists it: a line, and what we say of it instead.
DEFECTS: dict[str, tuple[str, str]] = {
    "no colon": ("ALL ALL\n", "no colon"),
    "no colon, for a stray bracket": ("ALL[: ALL\n", "no colon"),
    "empty daemon list": (": ALL\n", "the daemon list is empty"),
    "empty client list": ("ALL:\n", "the client list is empty"),
    "EXCEPT first": ("ALL: EXCEPT 9.\n", "the client list is empty"),
    "EXCEPT last": ("ALL: 9. EXCEPT\n", "the client list is empty"),
    "EXCEPT first among daemons": ("EXCEPT sshd: 9.\n", "the daemon list is empty"),
    "path of a daemon": ("/usr/bin/storescp: 9.\n", "without its path: write storescp"),
    "bare IPv6": ("ALL: 2001:db8::9\n", r"write \[2001:db8::9\]"),
    "bare IPv6 net": ("ALL: 2001:db8:9::/48\n", r"write \[2001:db8:9::\]/48"),
    "length in the brackets": ("ALL: [2001:db8:9::/48]\n", r"write \[2001:db8:9::\]/48"),
    "stray bracket": ("ALL: [2001:db8::9\n", "stray bracket"),
    "IPv4 in brackets": ("ALL: [9.1.2.3]\n", "brackets are for IPv6: write 9.1.2.3"),
    "IPv6 net without a length": ("ALL: [2001:db8::9]/\n", "a length is 0 to 128"),
    "IPv6 net with a word for a length": ("ALL: [2001:db8::9]/abc\n", "a length is 0 to 128"),
    "IPv6 length over 128": ("ALL: [2001:db8::9]/129\n", "a length is 0 to 128"),
    "letters behind a length": ("ALL: 9.0.0.0/8x\n", "write it as 9.0.0.0/8"),
    "length that wraps": ("ALL: 9.0.0.0/4294967304\n", "write it as 9.0.0.0/8"),
    "length 0": ("ALL: 0.0.0.0/0\n", "or 0.0.0.0/0.0.0.0 for every IPv4 client"),
    "length over 32": ("ALL: 9.0.0.0/33\n", "a length is 1 to 32"),
    "net of too few numbers": ("ALL: 9/8\n", "write 9.0.0.0/8"),
    "host bits": ("ALL: 9.1.2.3/24\n", "write 9.1.2.0/24"),
    "host bits under a mask": ("ALL: 9.1.2.3/255.255.255.0\n", "write 9.1.2.0/24"),
    "mask of all ones": ("ALL: 9.1.2.3/255.255.255.255\n", "write 9.1.2.3, the address alone"),
    "mask of three numbers": ("ALL: 9.0.0.0/255.255.0\n", "a mask has four decimal numbers"),
    "octal net": ("ALL: 011.0.0.0/8\n", "write 11.0.0.0/8"),
    "hexadecimal net": ("ALL: 0x9.0.0.0/8\n", "four decimal numbers"),
    "blank in a net": ("ALL: 9.0.0.0/ 8\n", "write it as 9.0.0.0/8"),
    "wildcard in a net": ("ALL: 9.*.0.0/16\n", "four decimal numbers"),
    "wildcards behind a dot": ("ALL: .nowhere.*\n", r"write \*.nowhere.\*"),
    "exclamation mark": ("ALL: !9.1.2.3\n", "not a host name"),
    "indented comment": (" # sshd: 9.\n", "an indented #"),
    "continued comment": ("# a \\\nsshd: 9.\n", "swallows the next line"),
    "continuation before a carriage return": ("ALL: 9. \\\r\n", "a backslash"),
    "escaped colon in a list": ("ALL: 9.\\:allow\n", "a backslash"),
    "NUL": ("sshd: 9.\0\n#\n", "NUL"),
    "no-break space": ("ALL:\xa09.\n", "an odd blank"),
    "form feed": ("ALL: 9.\x0c8.\n", "an odd blank"),
    "missing pattern file": ("ALL: /nonexistent/list\n", "the pattern file cannot be read: No such file"),
    "directory for a pattern file": ("ALL: /\n", "not a regular file"),
    "bad option": ("ALL: 9.: permit\n", "no such option"),
    "old shell command": ("ALL: 9.: /bin/true\n", "no such option"),
    "empty option": ("ALL: 9.:\n", "an empty option"),
    "allow before the end": ("ALL: 9.: allow: severity info\n", "must be the last option"),
    "unsupported option": ("ALL: 9.: twist /bin/true\n", "twist is not supported"),
}

# The same of a whole table, by what is done to its text.
DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "no newline at the end": (lambda text: text + "sshd: 9.", "no newline at the end"),
    "continuation at the end": (lambda text: text + "sshd: 9.\\\n", "ends within a continued line"),
    "line too long": (lambda text: f"{text}sshd: {'9. ' * 700}\n", "longer than 2047 bytes"),
    "comment too long": (lambda text: f"{text}#{'-' * 2047}\n", "longer than 2047 bytes"),
    "byte order mark": (lambda text: "\xef\xbb\xbf" + text, "byte order mark"),
}
