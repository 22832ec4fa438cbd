"""Who may connect: the rules of hosts_access(5) and hosts_options(5), on their own; knows nothing of DICOM.

    from scpd.access.parties import Client, Host, Service
    from scpd.access.tables import Tables
    from scpd.access.verdict import decide

    tables = Tables("/etc/hosts.allow", "/etc/hosts.deny")
    client = Client(Host("10.1.2.3", lambda: "ct1.hospital.example"))
    verdict = decide(tables.look(), Service(("storescp", "scpd"), 104), client)
    print(verdict.granted, verdict)

Tables are read by `lines` (bytes to logical lines), `syntax` (to rules), `patterns` and `nets` (a word of a list),
`options` and `pattern_files`; decisions are made by `parties` (who asks for what), `match`, `texts`, `wildcards`,
`index` and `verdict`.  Only `tables` touches files, only `names` asks a resolver, only `commands` runs a command.  The
language is that of scpd_access(5).
"""
