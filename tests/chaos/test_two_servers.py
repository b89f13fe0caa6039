"""Two web servers, one PostgreSQL, one kernel: people at both write and run in one worksheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from antiphon_webserver.secret import new_id
from tests.conftest import AntiphonServer
from tests.webserver.conftest import postgresql
from tests.webserver.peers import Peer, connect

from .driver import running

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]


@pytest.fixture
def servers() -> Iterator[list[AntiphonServer]]:
    with postgresql() as url, running(url, 2) as servers:
        yield servers


class Person:
    """Somebody with a page open: a socket, and how far the log and the feed were read."""

    def __init__(self, peer: Peer, worksheet: str) -> None:
        self.peer = peer
        self.worksheet = worksheet
        self.entries: list[dict[str, Any]] = []
        self.publications: list[dict[str, Any]] = []
        self.windows = 0

    async def ask(self, method: str, **params: object) -> Any:
        return (await self.peer.call(method, **params))["result"]

    async def open(self) -> None:
        await self.ask("worksheet.subscribe", worksheet=self.worksheet, cursor=len(self.entries))

    async def take(self) -> None:
        """Take the next notification. Each entry and publication comes once, in order, whoever sends it."""
        match await self.peer.notification():
            case "worksheet.entries", params:
                for entry in params["entries"]:
                    assert entry["number"] == len(self.entries) + 1
                    self.entries.append(entry)
            case "feed.publications", params:
                for publication in params["publications"]:
                    assert publication["number"] == len(self.publications) + 1
                    self.publications.append(publication)
            case "worksheet.presence", params:
                self.windows = sum(person["windows"] for person in params["people"])

    async def hear(self, kind: str, **values: object) -> dict[str, Any]:
        """The entry of that kind with these values."""
        while True:
            for entry in self.entries:
                if entry["kind"] == kind and values.items() <= entry.items():
                    return entry
            await self.take()

    async def listen(self, session: str) -> None:
        cursor = self.publications[-1]["number"] if self.publications else 0
        await self.ask("feed.subscribe", session=session, cursor=cursor)

    async def hear_output(self, text: str) -> None:
        while text not in self.printed:
            await self.take()

    @property
    def printed(self) -> str:
        return "".join(p["content"]["text"] for p in self.publications if p["msg_type"] == "stream")

    async def sees(self, windows: int) -> None:
        """Wait until so many windows are open."""
        while self.windows != windows:
            await self.take()


async def test_two_servers_serve_one_worksheet(servers: list[AntiphonServer]) -> None:
    one, two = servers
    async with connect(two.port, two.token) as at_two:
        sheet = (await at_two.call("worksheet.create", worksheet=new_id()))["result"]["id"]
        ben = Person(at_two, sheet)
        await ben.open()
        async with connect(one.port, one.token) as at_one:
            ada = Person(at_one, sheet)
            await ada.open()
            await ben.sees(2)
            await ada.sees(2)
            cell = (await ada.ask("worksheet.open", worksheet=sheet))["cells"][0]["id"]

            code = "print('from two')"
            await ben.ask(
                "cell.edit", worksheet=sheet, cell=cell, version=0, changes=[[0, code]], edit=new_id()
            )
            await ada.hear("cell_edited", cell=cell)
            run = await ada.ask("cell.run", worksheet=sheet, cell=cell, run=new_id())
            assert run["code"] == code
            for person in (ada, ben):
                assert (await person.hear("run_ended", run=run["id"]))["state"] == "ok"
                await person.listen(run["session"])
                await person.hear_output("from two\n")

            # What Ada began goes on at the other server, and so does she.
            slow = "import time\nfor i in range(30):\n    print(i, flush=True)\n    time.sleep(0.05)"
            run = await ada.ask("cell.run", worksheet=sheet, cell=cell, source=slow, version=1, run=new_id())
            await ada.hear_output("\n3\n")
            one.kill()
        async with connect(two.port, two.token) as again:
            ada.peer = again
            await ada.open()
            await ada.listen(run["session"])
            for person in (ada, ben):
                assert (await person.hear("run_ended", run=run["id"]))["state"] == "ok"
                await person.hear_output("\n29\n")
                assert person.printed == "from two\n" + "".join(f"{i}\n" for i in range(30))
            assert ada.publications == ben.publications

            # The other way round: the first one is there again, and the second one is killed.
            one.restart()
            two.kill()
        async with connect(one.port, one.token) as last:
            ada.peer = last
            await ada.open()
            run = await ada.ask(
                "cell.run", worksheet=sheet, cell=cell, source="1 / 0", version=2, run=new_id()
            )
            assert (await ada.hear("run_ended", run=run["id"]))["state"] == "error"
