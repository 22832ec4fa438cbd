"""The option table: transport layer security."""

from __future__ import annotations

from scpd.cli.rows import TLS, Argument, Option, Section, alternatives

_GROUP = "transport layer security (TLS) options"
_WITH_TLS = (("--enable-tls",),)
_FILE = (Argument("filename", "string"),)

# The order of the checks, which is not that of --help.
_STACK, _PASSWORD, _FORMAT, _PARAMETERS, _SEED, _PEER, _PROFILE, _TRUST, _CIPHER, _NAME = range(TLS, TLS + 10)

SECTIONS = (
    Section(
        _GROUP,
        "transport protocol stack",
        _STACK,
        (
            *alternatives(
                "tls", "tls", (1, "--disable-tls", "-tls", None, "plain TCP"), in_force="--disable-tls"
            ),
            Option(
                "--enable-tls",
                "+tls",
                "tls",
                "TLS with this key and certificate",
                arguments=(Argument("private key file", "string"), Argument("certificate file", "string")),
                block="tls:2",
            ),
        ),
    ),
    Section(
        _GROUP,
        "private key password (only with --enable-tls)",
        _PASSWORD,
        (
            *alternatives(
                "passwd",
                "key_password",
                (1, "--std-passwd", "+ps", None, "ask for it on the terminal"),
                in_force="--std-passwd",
                needs=_WITH_TLS,
            ),
            Option(
                "--use-passwd",
                "+pw",
                "key_password",
                "this one",
                arguments=(Argument("password", "string"),),
                block="passwd:2",
                needs=_WITH_TLS,
            ),
            *alternatives(
                "passwd",
                "key_password",
                (3, "--null-passwd", "-pw", "", "none"),
                needs=_WITH_TLS,
            ),
        ),
    ),
    Section(
        _GROUP,
        "key and certificate file format",
        _FORMAT,
        alternatives(
            "keyformat",
            "key_format",
            (1, "--pem-keys", "-pem", "pem", "keys and certificates are PEM files"),
            (2, "--der-keys", "-der", "der", "keys and certificates are DER files"),
            in_force="--pem-keys",
            needs=_WITH_TLS,
        ),
    ),
    Section(
        _GROUP,
        "certification authority",
        _TRUST,
        (
            Option(
                "--add-cert-file",
                "+cf",
                "certificate_files",
                "trust the certificates of this file; may be\nrepeated",
                arguments=_FILE,
                default=(),
                needs=_WITH_TLS,
                adds_up=True,
            ),
            Option(
                "--add-cert-dir",
                "+cd",
                "certificate_directories",
                "trust the certificates of this hashed\ndirectory; may be repeated",
                arguments=(Argument("directory", "string"),),
                default=(),
                needs=_WITH_TLS,
                adds_up=True,
            ),
            Option(
                "--add-crl-file",
                "+crl",
                "crl_files",
                "load this revocation list, and check peers by\nit; may be repeated",
                arguments=_FILE,
                default=(),
                needs=_WITH_TLS,
                adds_up=True,
            ),
            *alternatives(
                "crl",
                "crl_check",
                (1, "--enable-crl-vfy", "+crv", "leaf", "look for peers in revocation lists"),
                (2, "--enable-crl-all", "+cra", "chain", "look for their authorities, too"),
                needs=_WITH_TLS,
            ),
        ),
    ),
    Section(
        _GROUP,
        "security profile",
        _PROFILE,
        (
            Option("--list-profiles", "+ph", "", "show the TLS profiles and exit"),
            *alternatives(
                "profile",
                "tls_profile",
                (1, "--profile-8996", "+pg", "8996", "BCP 195 of RFC 8996"),
                (2, "--profile-8996-mod", "+pm", "8996-mod", "modified BCP 195 of RFC 8996"),
                (4, "--profile-bcp195-nd", "+py", "bcp195-nd", "non-downgrading BCP 195 (retired)"),
                (3, "--profile-bcp195", "+px", "bcp195", "BCP 195 (retired)"),
                (5, "--profile-bcp195-ex", "+pz", "bcp195-ex", "extended BCP 195 (retired)"),
                (6, "--profile-basic", "+pb", "basic", "basic TLS (retired)"),
                (7, "--profile-aes", "+pa", "aes", "AES TLS (retired)"),
                (8, "--profile-null", "+pn", "null", "authenticated, not encrypted (retired)"),
                in_force="--profile-8996",
                needs=_WITH_TLS,
            ),
        ),
    ),
    Section(
        _GROUP,
        "ciphersuite",
        _CIPHER,
        (
            Option("--list-ciphers", "+cc", "", "show the cipher suites and exit"),
            Option(
                "--cipher",
                "+cs",
                "ciphers",
                "offer this cipher suite, too; may be repeated\n(not with --profile-bcp195-ex)",
                arguments=(Argument("ciphersuite name", "string"),),
                default=(),
                conflicts=(("--profile-bcp195-ex",),),
                needs=_WITH_TLS,
                adds_up=True,
            ),
            Option(
                "--dhparam",
                "+dp",
                "dh_parameters",
                "take Diffie-Hellman parameters from this file",
                arguments=_FILE,
                default=None,
                needs=_WITH_TLS,
                check=_PARAMETERS,
            ),
        ),
    ),
    Section(
        _GROUP,
        "server name indication",
        _NAME,
        (
            # Its default, but not with its opposite; a block would let the rightmost win.
            Option(
                "--no-sni",
                "",
                "expected_server_name",
                "let clients ask for any name (default)",
                value=None,
                default=None,
                conflicts=(("--expect-sni",),),
                check=_NAME + 1,
            ),
            Option(
                "--expect-sni",
                "",
                "expected_server_name",
                "let clients ask for this name only",
                arguments=(Argument("server name", "string"),),
                default=None,
            ),
        ),
    ),
    Section(
        _GROUP,
        "pseudo random generator",
        _SEED,
        (
            Option(
                "--seed",
                "+rs",
                "seed_file",
                "seed it from this file",
                arguments=_FILE,
                default=None,
                needs=_WITH_TLS,
            ),
            *alternatives(
                "seed",
                "seed_output",
                (1, "--write-seed", "+ws", "", "write the seed back (only with --seed)"),
                needs=(*_WITH_TLS, ("--seed",)),
            ),
            Option(
                "--write-seed-file",
                "+wf",
                "seed_output",
                "write the seed to this file (only with --seed)",
                arguments=_FILE,
                block="seed:2",
                needs=(*_WITH_TLS, ("--seed",)),
            ),
        ),
    ),
    Section(
        _GROUP,
        "peer authentication",
        _PEER,
        alternatives(
            "peer",
            "peer_certificate",
            (1, "--require-peer-cert", "-rc", "require", "a peer must have a good certificate"),
            (3, "--verify-peer-cert", "-vc", "verify", "its certificate must be good, if it has one"),
            (2, "--ignore-peer-cert", "-ic", "ignore", "ask for none"),
            in_force="--require-peer-cert",
            needs=_WITH_TLS,
        ),
    ),
)
