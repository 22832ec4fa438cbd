"""Command lines of storescp found in use, as a shell reads them; only ports and paths are replaced.

{port} is the port, {D} the output directory, {here} the working directory; what they run are stand-ins.
"""

from __future__ import annotations

from typing import NamedTuple


class FieldLine(NamedTuple):
    """A line; what it leaves to see of the script A1 A2 / B1, and how long to wait for the end of study B."""

    line: str
    effects: int = 0  # commands that run
    ends: int = 0  # more of them, when the timeout has passed
    seconds: int = 0  # that one


LINES = {
    "mercure": FieldLine(
        'incoming={D} binary=getdcmtags port={port}; exec storescp --fork --promiscuous +xa -od "$incoming" +uf '
        '-xcr "$binary $incoming/#f #a #c" $port',
        3,
    ),
    "archive, by a pipe": FieldLine(
        "pipe={here}/pipe; exec storescp --fork --write-xfer-little "
        """--exec-on-reception "echo '#a,#c,#r,#p,#f' >$pipe" --sort-on-study-uid scp """
        "--output-directory {D} {port}",
        3,
    ),
    "px": FieldLine(
        """exec storescp --fork -od {D} -pm -sp -xcr 'px --xcrdir "#p" --xcrfile "#f"' {port}""", 3
    ),
    "sort.sh": FieldLine(
        "exec storescp -v -pm -sp -pdu 131072 +xa -aet NMPROC -tos 3 -od {D} "
        """-xcs "{here}/app/sort.sh #a #c '#r' #p" {port}""",
        1,
        1,
        3,
    ),
    "by its standard output": FieldLine(
        "exec storescp -xs -fe .dcm -sp -aet X --output-directory {D} --exec-on-reception 'echo #f 1>&2' "
        "--exec-on-eostudy 'echo #p' --eostudy-timeout 5 {port}",
        0,
        0,
        5,
    ),
    "port in the middle": FieldLine(
        "exec storescp -v --accept-all --promiscuous --sort-conc-studies STD {port} -od DICOM/ -xcs './main.sh' "
        "-tos 100",
        1,
    ),
    "process.py": FieldLine(
        "exec storescp -aet DOG --sort-on-study-uid MYDATA --eostudy-timeout 16 --exec-sync "
        '--exec-on-eostudy "process.py #r #a #c #p" -od {D} -fe .dcm {port}',
        1,
        1,
        16,
    ),
    "rec.bash": FieldLine(
        "exec storescp --fork +cl 6 -aet A -tos 10 -ll info -od {D} -ss 1 -xf storescp.cfg Default "
        r'-fe ".dcm" -xcr "rec.bash \"#p 1 #a #c #f\" >> rec.log 2>&1" {port}',
        3,
    ),
    "nohup -ss": FieldLine("exec nohup storescp -aet XNAT -od {D} -ss diverter {port}"),
    "nohup -su": FieldLine("exec nohup storescp -aet XNAT -od {D} -su diverter {port}"),
    "one log file": FieldLine(
        "exec storescp --fork --aetitle A --output-directory {D} {port} >> log 2>&1",
    ),
    "port first": FieldLine(
        "exec storescp {port} --aetitle A --output-directory {D} --sort-conc-studies st --eostudy-timeout 5 "
        '--exec-on-eostudy "python x.py #p" --prefer-lossless --verbose',
        1,
        1,
        5,
    ),
    "no prefix": FieldLine(
        "exec storescp -aet S -pm -od {D} -su '' --eostudy-timeout 60 --exec-on-eostudy \"python3 x.py #p \" "
        "{port} >> storescp.log",
        1,
    ),
    "anonymize.py": FieldLine(
        'exec storescp --promiscuous -od {D} -ss study -tos 60 +uf -xcs "anonymize.py #p" {port}', 1
    ),
    "by a pid file": FieldLine(
        "exec storescp --output-directory {D} --aetitle T --filename-extension .dcm --eostudy-timeout 2 "
        '--sort-conc-studies sorted --exec-on-eostudy "x.sh #p" {port}',
        1,
        1,
        2,
    ),
    "listens only": FieldLine("cd {D}; exec storescp -v +xv {port}"),
    "forward.sh": FieldLine(
        "exec storescp --output-directory {D} --exec-on-reception {here}/forward.sh {port}", 3
    ),
}
REFUSED = {
    "a patched storescp's": (
        "storescp --aetitle A --fork --output-directory {D} --sort-on-uid --filename-extension .dcm "
        '--exec-on-sassoc "echo #u" {port}'
    ),
    "+xa with +te": "storescp --accept-all --write-xfer-little -od {D} {port}",
}
STAND_INS = (
    "getdcmtags",
    "px",
    "app/sort.sh",
    "main.sh",
    "process.py",
    "rec.bash",
    "python",
    "python3",
    "anonymize.py",
    "x.sh",
    "forward.sh",
)
