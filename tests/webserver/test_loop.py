"""The event loop of the real server is never held for long; the server itself measures."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import AntiphonServer
from tests.webserver.peers import Peer, connect

CELLS = 1_000

BOUND_SECONDS = 0.1
"""Twice the promise: processor time grows too on a machine that runs other tests at the same time."""


def notebook(cells: int) -> str:
    """A notebook of some megabytes, as people have them: code, text, printed lines and a table."""
    table = "<table>" + "<tr><td>1</td><td>2</td></tr>" * 40 + "</table>"
    code = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": "for number in range(20):\n    print(number, 'and some words')\n",
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": "0 and some words\n" * 20},
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": "table", "text/html": table},
            },
        ],
    }
    text = {"cell_type": "markdown", "metadata": {}, "source": "# Words\n\nand *more* of them"}
    return json.dumps(
        {"cells": [code, text] * (cells // 2), "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    )


def holds(server: AntiphonServer) -> float:
    """How many times the loop was held for longer than the bound."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        if family.name == "antiphon_event_loop_held_seconds":
            beats = {s.labels.get("le", s.name): s.value for s in family.samples}
            return beats["+Inf"] - beats[str(BOUND_SECONDS)]
    raise AssertionError("the loop is not measured")


async def edits(peer: Peer, sheet: str, cell: dict[str, Any]) -> None:
    for version in range(cell["version"], cell["version"] + 100):
        text = f"{cell['source']}# {version}"
        answer = await peer.call("cell.edit", worksheet=sheet, cell=cell["id"], version=version, source=text)
        assert "error" not in answer, answer


def fail_to_sign_in(server: AntiphonServer, password: str) -> None:
    """A wrong password takes as long as a right one: a tenth of a second of argon2."""
    xsrf = "0123456789abcdef" * 2
    request = urllib.request.Request(
        f"{server.url}/login",
        data=json.dumps({"name": "grace", "password": password}).encode(),
        headers={"Content-Type": "application/json", "Cookie": f"_xsrf={xsrf}", "X-XSRFToken": xsrf},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code in (401, 429)
    refused.value.close()


@pytest.mark.slow
async def test_nothing_that_people_do_holds_the_loop(antiphon_server: AntiphonServer) -> None:
    server = antiphon_server
    text = await asyncio.to_thread(notebook, CELLS)
    async with connect(server.port, server.token) as peer, connect(server.port, server.token) as other:
        before = await asyncio.to_thread(holds, server)
        sheet = (await peer.call("worksheet.import", filename="n.ipynb", text=text))["result"]["id"]
        await other.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        opened = (await peer.call("worksheet.open", worksheet=sheet))["result"]
        assert len(opened["cells"]) == CELLS
        await peer.call("account.create", name="grace", password="a long pass phrase")  # noqa: S106
        await asyncio.gather(
            edits(peer, sheet, opened["cells"][0]),
            *(asyncio.to_thread(fail_to_sign_in, server, "a wrong pass phrase") for _ in range(4)),
        )
        for format in ("ipynb", "py", "md", "html"):
            assert (await peer.call("worksheet.export", worksheet=sheet, format=format))["result"]["text"]
        await peer.call("worksheet.since", worksheet=sheet, cursor=0)
        await peer.call("worksheet.delete", worksheet=sheet)
        assert await asyncio.to_thread(holds, server) - before == 0, server.said()
