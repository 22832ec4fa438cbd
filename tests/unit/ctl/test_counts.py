"""How many studies and commands there are, as the daemon counts them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.ctl.counts import count

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ctl.conftest import Place


def test_they_are_counted_by_their_state(place: Place) -> None:
    study = place.open("1.2.3", "x_1.2.3")
    place.open("1.2.4")
    sealed = place.open("1.2.5")
    worker = place.worker()
    job = worker.store("CT.1", study, hook="xcr")
    worker.store("CT.2", study, hook="xcr")
    place.run(job)
    place.set_aside("a.1.xcr", status="failed")
    sealed.let_go()
    place.seal(sealed)
    assert count(str(place.path), str(place.folder)) == {
        "studies": {"open": 2, "completing": 1},
        "jobs": {"queued": 1, "running": 1, "failed": 1},
    }


def test_where_there_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        count(str(tmp_path / "none"), str(tmp_path))


def test_it_brings_a_master_no_library_that_it_has_no_use_for() -> None:
    script = "import sys; import scpd.ctl.counts, scpd.master.answers; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"json", "typing", "dataclasses", "datetime", "pathlib", "argparse"}
    assert heavy & set(said.stdout.split()) == set()
