"""The kernelspec: how Jupyter learns that we are here, and how we are started.

Source: Jupyter's document "Making kernels for Jupyter", section *Kernel specs*.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

NAME = "antiphon"
SHARED_NAME = "antiphon-shared"

PROVISIONER = "antiphon-provisioner"
"""Our name among the entry points ``jupyter_client.kernel_provisioners``."""

_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<rect width="64" height="64" rx="12" fill="#1f3a5f"/>
<g fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round">
<path d="M14 38v-12M24 46V18"/><path d="M40 46V18M50 38v-12" stroke="#f2b84b"/></g></svg>
"""


def kernelspec(display_name: str, daemon: Path | None = None) -> dict[str, object]:
    """The content of ``kernel.json``. The interpreter is this one.

    Args:
        daemon: connection file of the daemon whose sessions its kernels are; without it, each kernel is a
            process that Jupyter starts.
    """
    # JupyterLab asks this, and not the kernel, whether there is one.
    metadata: dict[str, object] = {"debugger": importlib.util.find_spec("debugpy") is not None}
    if daemon is not None:
        config = {"connection_file": str(daemon)}
        metadata["kernel_provisioner"] = {"provisioner_name": PROVISIONER, "config": config}
    return {
        # -P: a notebook's directory must not be searched for our own modules.
        "argv": [sys.executable, "-P", "-m", "antiphon_kernel.jupyter", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        "interrupt_mode": "message",
        "metadata": metadata,
        "kernel_protocol_version": "5.5",
    }


def user_data_directory() -> Path:
    """Where Jupyter looks for what a user has installed for themselves."""
    if directory := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(directory)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jupyter"


def runtime_directory() -> Path:
    """Where Jupyter keeps, and looks for, connection files."""
    if directory := os.environ.get("JUPYTER_RUNTIME_DIR"):
        return Path(directory)
    return user_data_directory() / "runtime"


def install(
    *,
    prefix: str | None = None,
    name: str = NAME,
    display_name: str = "Antiphon",
    daemon: Path | None = None,
) -> Path:
    """Write the kernelspec, over an older one.

    Args:
        prefix: below it, in ``share/jupyter``; without it, for this user.
        daemon: as of ``kernelspec``.
        name: what Jupyter calls the kernel: letters, digits, ``.``, ``_``, ``-``.

    Returns:
        Its directory.

    Raises:
        ValueError: Jupyter would not find a kernel of this name.
        OSError: it cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name.strip(".") == "":
        raise ValueError(f"{name!r} is no name for a kernel: letters, digits, '.', '_' and '-' only")
    data = Path(prefix) / "share" / "jupyter" if prefix else user_data_directory()
    directory = data.absolute() / "kernels" / name
    directory.mkdir(parents=True, exist_ok=True)
    content = json.dumps(kernelspec(display_name, daemon), indent=1)
    (directory / "kernel.json").write_text(content + "\n", encoding="utf-8")
    (directory / "logo-svg.svg").write_text(_LOGO, encoding="utf-8")
    return directory
