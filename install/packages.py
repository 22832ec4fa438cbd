"""What an installation brings along: the libraries that pyproject.toml names, for one interpreter, in one folder.

    packages.py INTERPRETER FOLDER

pip chooses them for that interpreter, whatever runs this; its own variables (PIP_NO_INDEX, PIP_FIND_LINKS, ...) say
where they come from.  The folder appears as a whole or not at all.  Their tests and programs are left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
# Their own programs too: pynetdicom has a storescp.
_LEFT_OUT = ("bin", "pynetdicom/apps", "*/tests", "*/*/tests", "pydicom/data/test_files")


def main(interpreter: str, folder: Path) -> int:
    """Make the folder anew; give pip's exit code."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
        made = Path(scratch) / "packages"
        code = _install(interpreter, made)
        if code == 0:
            for pattern in _LEFT_OUT:
                for path in made.glob(pattern):
                    shutil.rmtree(path)
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    return code


def _install(interpreter: str, target: Path) -> int:
    requirements = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    pip = [sys.executable, "-m", "pip", "--python", interpreter]
    quiet = ["--quiet", "--root-user-action=ignore", "--disable-pip-version-check", "--no-input"]
    command = [*pip, "install", *quiet, "--no-compile", "--target", str(target), *requirements]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
