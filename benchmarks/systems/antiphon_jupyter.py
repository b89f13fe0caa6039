"""Antiphon as a Jupyter kernel in a process of its own: what its kernelspec starts."""

from __future__ import annotations

from antiphon_kernel.jupyter.kernelspec import kernelspec

from .jupyter import JupyterSystem


class AntiphonJupyter(JupyterSystem):
    name = "Antiphon, Jupyter's sockets"
    command = tuple(map(str, kernelspec("Antiphon")["argv"]))  # type: ignore[call-overload]  # a list
