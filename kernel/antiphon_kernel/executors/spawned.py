"""Jupyter's manager of a kernel whose process the zygote starts.

The one module of the executors that imports jupyter_client; ``foreign`` imports it when the first such
session is made.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.paths import jupyter_runtime_dir

from ..message import SessionUID
from .program import Program, Starter


class SpawnedProvisioner(LocalProvisioner):
    """As Jupyter's own, but for whose child the process is."""

    starter: Starter

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        directory = str(kwargs.get("cwd") or "")
        self.hold(await self.starter.spawn(cmd, dict(kwargs.get("env") or os.environ), directory))
        self.cwd = directory or Path.cwd()
        return self.connection_info

    def hold(self, program: Program) -> None:
        """This is the process."""
        self.process: Any = program
        self.pid = self.pgid = program.pid


def manager_of(kernel: str, uid: SessionUID, starter: Starter | None) -> AsyncKernelManager:
    """A manager for a session's kernel. With the same UID it has the same file for the connection.

    Args:
        starter: starts the process, unless the kernelspec names a provisioner of its own.
    """
    name = blake2b(uid.encode(), digest_size=16).hexdigest()  # not the UID: who knows that may observe
    directory = jupyter_runtime_dir()
    os.makedirs(directory, mode=0o700, exist_ok=True)
    file = os.path.join(directory, f"kernel-antiphon-{name}.json")
    manager = AsyncKernelManager(kernel_name=kernel, connection_file=file)
    manager.kernel_id = name
    # The kernel asks and answers whoever sent the request, by this name: the next daemon's is the same.
    manager.session.session = name
    if starter is not None and _is_local(manager):
        provisioner = SpawnedProvisioner(
            kernel_id=name, kernel_spec=manager.kernel_spec, parent=manager, config=manager.config
        )
        provisioner.starter = starter
        manager.provisioner = provisioner
    return manager


def _is_local(manager: AsyncKernelManager) -> bool:
    try:
        spec = manager.kernel_spec
    except NoSuchKernel:
        return False
    default = KernelProvisionerFactory.instance().default_provisioner_name
    named = spec.metadata.get("kernel_provisioner", {}) if spec is not None else {}
    return str(named.get("provisioner_name", default)) == "local-provisioner"


def manager_again(kernel: str, uid: SessionUID, program: Program, starter: Starter) -> AsyncKernelManager:
    """The manager of a kernel that runs, which another daemon had started.

    Raises:
        OSError, ValueError: its file for the connection is not there any more.
    """
    manager = manager_of(kernel, uid, starter)
    if not isinstance(manager.provisioner, SpawnedProvisioner):
        raise ValueError("it has another provisioner now")
    manager.load_connection_file()
    manager.provisioner.connection_info = manager.get_connection_info()
    manager.provisioner.hold(program)
    return manager
