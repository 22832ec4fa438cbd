"""The TLS security profiles (PS3.15 annex B, retired ones too) that DCMTK has, by option without `--profile-`.

Written by `python -m scpd.tables.generate`; change that, not this.
`tls.profiles` says what the columns mean.
"""

from __future__ import annotations

# Name, lowest and highest version of TLS, suites of TLS 1.2 and older in order of preference, those of
# them that few libraries have, and suites of TLS 1.3 (none: those that the library has by default).
PROFILES: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "8996": (
        "BCP 195 RFC 8996",
        "1.2",
        "1.3",
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (),
        (),
    ),
    "8996-mod": (
        "Modified BCP 195 RFC 8996",
        "1.2",
        "1.3",
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES256-CCM8",
            "ECDHE-ECDSA-AES256-CCM",
            "ECDHE-RSA-CHACHA20-POLY1305",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-ECDSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-CCM8",
            "ECDHE-ECDSA-AES128-CCM",
            "ECDHE-RSA-CAMELLIA128-GCM-SHA256",
            "ECDHE-ECDSA-CAMELLIA128-GCM-SHA256",
        ),
        (
            "ECDHE-RSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-ECDSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-RSA-CAMELLIA128-GCM-SHA256",
            "ECDHE-ECDSA-CAMELLIA128-GCM-SHA256",
        ),
        (
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_128_CCM_8_SHA256",
            "TLS_AES_128_CCM_SHA256",
        ),
    ),
    "aes": (
        "AES TLS Secure Transport Connection",
        "1.0",
        "1.2",
        (
            "AES128-SHA",
            "DES-CBC3-SHA",
        ),
        (),
        (),
    ),
    "basic": (
        "Basic TLS Secure Transport Connection",
        "1.0",
        "1.2",
        ("DES-CBC3-SHA",),
        (),
        (),
    ),
    "bcp195": (
        "BCP 195",
        "1.0",
        "1.3",
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            "DHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "DHE-RSA-AES128-GCM-SHA256",
            "AES128-SHA",
            "DES-CBC3-SHA",
        ),
        (),
        (),
    ),
    "bcp195-ex": (
        "Extended BCP 195",
        "1.2",
        "1.2",
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "DHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "DHE-RSA-AES128-GCM-SHA256",
        ),
        (),
        (),
    ),
    "bcp195-nd": (
        "Non-downgrading BCP 195",
        "1.2",
        "1.3",
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            "DHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "DHE-RSA-AES128-GCM-SHA256",
        ),
        (),
        (),
    ),
    "null": (
        "Authenticated unencrypted communication",
        "1.0",
        "1.2",
        ("NULL-SHA",),
        (),
        (),
    ),
}
