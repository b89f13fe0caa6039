"""The newest state of widgets, out of the feed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon_webserver import widgets
from antiphon_webserver.model import Blob, Publication, WidgetBuffer, WidgetModel, Widgets
from antiphon_webserver.outputs import Fold as Outputs
from antiphon_webserver.outputs import Stream
from antiphon_webserver.secret import new_id
from antiphon_webserver.widgets import Fold
from tests.conftest import AntiphonServer
from tests.webserver.peers import connect

pytestmark = pytest.mark.xdist_group("command")


def said(number: int, msg_type: str, content: dict[str, Any], parent: str = "r", **more: Any) -> Publication:
    return Publication(
        number=number,
        msg_id=f"p{number}",
        msg_type=msg_type,
        parent=parent,
        username="ada",
        date="",
        metadata={},
        content=content,
        **more,
    )


def opened(number: int, comm: str, state: dict[str, Any], **more: Any) -> Publication:
    content = {
        "comm_id": comm,
        "target_name": "jupyter.widget",
        "data": {"state": state, **more.pop("data", {})},
    }
    return said(number, "comm_open", content, **more)


def told(
    number: int, comm: str, state: dict[str, Any], method: str = "update", parent: str = "r"
) -> Publication:
    return said(number, "comm_msg", {"comm_id": comm, "data": {"method": method, "state": state}}, parent)


def printed(number: int, text: str, parent: str = "r") -> Publication:
    return said(number, "stream", {"name": "stdout", "text": text}, parent)


def fold(*publications: Publication) -> Widgets:
    fold = Fold()
    fold.take(publications)
    return fold.widgets


def test_updates_and_echoes_set_values_the_later_over_the_earlier() -> None:
    found = fold(
        opened(1, "a", {"value": 1, "max": 9}),
        told(2, "a", {"value": 2}),
        told(3, "a", {"value": 3}, "echo_update"),
    )
    assert found.models == {"a": WidgetModel(state={"max": 9, "value": 3})}


def test_what_is_no_state_changes_none() -> None:
    custom = said(2, "comm_msg", {"comm_id": "a", "data": {"method": "custom", "content": {"state": 1}}})
    other = said(3, "comm_open", {"comm_id": "b", "target_name": "matplotlib", "data": {}})
    odd = said(4, "comm_msg", {"comm_id": "a", "data": {"method": "update", "state": "no"}})
    assert fold(opened(1, "a", {"value": 1}), custom, other, odd).models == {
        "a": WidgetModel(state={"value": 1})
    }


def test_a_closed_widget_is_no_more() -> None:
    assert fold(opened(1, "a", {}), said(2, "comm_close", {"comm_id": "a", "data": {}})).models == {}


def blob(digest: str) -> Blob:
    return Blob(digest=digest, bytes=1, type="application/octet-stream", form="base64")


def test_a_value_takes_its_buffers_with_it() -> None:
    first = opened(1, "a", {"n": 1}, data={"buffer_paths": [["x"], ["y", 0]]}, buffers=(blob("1"), blob("2")))
    assert fold(first).models["a"].buffers == (
        WidgetBuffer(path=("x",), blob=blob("1")),
        WidgetBuffer(path=("y", 0), blob=blob("2")),
    )
    assert fold(first, told(2, "a", {"x": None})).models["a"] == WidgetModel(
        state={"n": 1, "x": None}, buffers=(WidgetBuffer(path=("y", 0), blob=blob("2")),)
    )


def test_the_number_of_widgets_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "MOST_MODELS", 2)
    found = fold(opened(1, "a", {}), opened(2, "b", {}), told(3, "a", {"x": 1}), opened(4, "c", {}))
    assert set(found.models) == {"a", "c"}


CAPTURE = (opened(1, "o", {"outputs": [], "msg_id": ""}), told(2, "o", {"msg_id": "r"}))


def test_an_output_widget_takes_what_its_request_prints_until_it_is_told_to_stop() -> None:
    found = fold(
        *CAPTURE,
        printed(3, "in"),
        printed(4, "!"),
        printed(5, "other", "q"),
        told(6, "o", {"msg_id": ""}),
        printed(7, "out"),
    )
    assert found.models["o"].state["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "in!"}]
    assert found.capturing == {}


def test_the_innermost_output_widget_takes_it() -> None:
    inner = (
        opened(3, "i", {"outputs": []}),
        told(4, "i", {"msg_id": "r"}),
        printed(5, "in"),
        told(6, "i", {"msg_id": ""}),
    )
    found = fold(*CAPTURE, *inner, printed(7, "out"))
    assert [found.models[comm].state["outputs"][0]["text"] for comm in "io"] == ["in", "out"]
    assert found.capturing == {"r": ("o",)}


def test_clearing_in_an_output_widget_waits_if_it_is_asked_to() -> None:
    wait = said(4, "clear_output", {"wait": True})
    assert fold(*CAPTURE, printed(3, "a"), wait).models["o"].state["outputs"][0]["text"] == "a"
    assert (
        fold(*CAPTURE, printed(3, "a"), wait, printed(5, "b")).models["o"].state["outputs"][0]["text"] == "b"
    )


def test_what_a_widget_took_does_not_stand_under_the_cell() -> None:
    outputs = Outputs("r", most_bytes=1_000)
    outputs.take([*CAPTURE, printed(3, "in"), told(4, "o", {"msg_id": ""}), printed(5, "out")])
    assert outputs.outputs == (Stream(name="stdout", text="out"),)


SLIDER = """
import ipywidgets
slider = ipywidgets.IntSlider(value=3, description="n")
out = ipywidgets.Output()
def moved(change):
    with out:
        print("moved to", change.new)
slider.observe(moved, "value")
with out:
    print("inside")
display(slider, out)
print(slider.model_id, out.model_id)
"""


@pytest.mark.slow
async def test_a_widget_that_is_told_something_has_it_in_the_next_snapshot_and_in_the_notebook_file(
    shared_server: AntiphonServer,
) -> None:
    async with connect(shared_server.port, shared_server.token) as peer:

        async def ask(method: str, **params: Any) -> Any:
            answer = await peer.call(method, **params)
            assert "error" not in answer, answer
            return answer["result"]

        worksheet = (await ask("worksheet.create", title="w", worksheet=new_id()))["id"]
        (cell,) = (await ask("worksheet.open", worksheet=worksheet))["cells"]
        run = await ask(
            "cell.run",
            worksheet=worksheet,
            cell=cell["id"],
            run=new_id(),
            source=SLIDER,
            version=cell["version"],
        )
        session, heard = run["session"], []

        async def until_idle(parent: str) -> None:
            while not any(
                item["parent"] == parent and item["content"].get("execution_state") == "idle"
                for item in heard
            ):
                cursor = heard[-1]["number"] if heard else 0
                heard.extend(
                    (await ask("feed.since", session=session, cursor=cursor, wait=10))["publications"]
                )

        await until_idle(run["msg_id"])
        printed = [item["content"]["text"] for item in heard if item["msg_type"] == "stream"]
        slider, out = printed[-1].split()
        data = {"method": "update", "state": {"value": 8}, "buffer_paths": []}
        await until_idle((await ask("widget.send", session=session, comm=slider, data=data))["msg_id"])

        # What was heard is stored a moment later; a snapshot says as of which number it is.
        snapshot = await ask("worksheet.open", worksheet=worksheet)
        while snapshot["session"]["cursor"] < heard[-1]["number"]:
            snapshot = await ask("worksheet.open", worksheet=worksheet)
        models = snapshot["widgets"][session]["models"]
        assert models[slider]["state"]["value"] == 8
        assert [each["text"] for each in models[out]["state"]["outputs"]] == ["inside\nmoved to 8\n"]

        notebook = json.loads((await ask("worksheet.export", worksheet=worksheet))["text"])
        state = notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
        assert (state[slider]["model_name"], state[slider]["state"]["value"]) == ("IntSliderModel", 8)
        texts = [output.get("text", "") for output in notebook["cells"][0]["outputs"]]
        assert not any("inside" in text for text in texts)


@pytest.mark.slow
async def test_a_message_to_a_widget_with_a_buffer_that_is_not_base64_is_refused(
    shared_server: AntiphonServer,
) -> None:
    async with connect(shared_server.port, shared_server.token) as peer:
        uid = (await peer.call("session.create"))["result"]["uid"]
        answer = await peer.call("widget.send", session=uid, comm="c", data={}, buffers=["?"])
        assert answer["error"]["message"] == "buffers[0]: this is not base64."
