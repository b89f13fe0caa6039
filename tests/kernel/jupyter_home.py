"""An empty home of Jupyter's with our two kernelspecs, and what an installation would have of us."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from antiphon_kernel.connection import read_connection
from antiphon_kernel.errors import ConnectionLost
from antiphon_kernel.jupyter import kernelspec, provisioner
from antiphon_kernel.jupyter.__main__ import main
from tests.deadline import DEADLINE

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def jupyter_home(home: Path) -> Iterator[Path]:
    """Kernelspecs "antiphon" and "antiphon-shared" for as long as this lasts.

    Args:
        home: an empty directory.

    Yields:
        The connection file of a daemon that nobody has started yet; it is ended afterwards.
    """
    metadata = home / "site" / "antiphon_entry-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: antiphon-entry\nVersion: 0\n")
    group = "jupyter_client.kernel_provisioners"
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][group]
    lines = [f"{name} = {place}" for name, place in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    file = home / "data" / "kernel.json"
    file.parent.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(metadata.parent))
        # One for the process, which reads the entry points when it is made; other tests may have made it.
        KernelProvisionerFactory.clear_instance()
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name.lower()))
        kernelspec.install()
        assert main(["install", "--shared", "--kernel", str(file)]) == 0
        yield file
        with contextlib.suppress(ConnectionLost):
            pid = read_connection(file).pid
            ended = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
            assert select.select([ended], [], [], DEADLINE)[0], "the daemon did not end"
            os.close(ended)
        while provisioner._started:  # in this process; those of other programs are theirs
            provisioner._started.pop().wait(DEADLINE)
