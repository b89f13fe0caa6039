"""From the comm messages of a session to the newest state of its widgets: a pure fold.

What belongs here: the rules of Jupyter's widget messages, version 2, as far as somebody who comes later
needs them; ``frontend/src/widgets.ts`` has the same rules for the page. What must never come here: SQL,
waiting, the code of widgets.

Source: ipywidgets, *packages/schema/messages.md*; JEP 21 for *echo_update*.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .blobs import put_back
from .model import Blob, Publication, WidgetBuffer, WidgetModel, Widgets

TARGET = "jupyter.widget"
"""Of the comms that are widgets."""

COMMS = ("comm_open", "comm_msg", "comm_close")

CAPTURED = ("stream", "display_data", "execute_result", "error", "clear_output")
"""What an ``Output`` widget takes instead of the cell."""

MOST_MODELS = 5_000
"""Of one session. Beyond them the one that was changed longest ago is forgotten."""

MOST_OUTPUTS = 1_000
"""In one ``Output`` widget: the newest."""

MOST_TEXT = 256 * 2**10
"""Characters of one stream in it: the newest."""


class Capture:
    """Which ``Output`` widgets take what a request publishes: the innermost last."""

    def __init__(self) -> None:
        self.by_parent: dict[str, list[str]] = {}

    def take(self, publication: Publication) -> None:
        """``msg_id`` in the state of an ``Output`` names the request whose outputs it takes from now on."""
        asked = captured_request(publication)
        comm = str(publication.content.get("comm_id", ""))
        if asked is None and publication.msg_type != "comm_close":
            return
        for parent in [parent for parent, comms in self.by_parent.items() if comm in comms]:
            self.by_parent[parent].remove(comm)
            if not self.by_parent[parent]:
                del self.by_parent[parent]
        if asked:
            self.by_parent.setdefault(asked, []).append(comm)

    def of(self, publication: Publication) -> str | None:
        """The widget that takes this publication; None where it stands where it stood."""
        if publication.msg_type not in CAPTURED:
            return None
        comms = self.by_parent.get(publication.parent)
        return comms[-1] if comms else None


def captured_request(publication: Publication) -> str | None:
    """The request that an ``Output`` widget is told to take; empty: none any more; None: it is not told."""
    if publication.msg_type != "comm_msg":
        return None
    asked = _data(publication).get("state")
    found = asked.get("msg_id") if isinstance(asked, dict) else None
    return found if isinstance(found, str) else None


class Fold:
    """The widgets of one session. ``take`` its publications in their order, then read ``widgets``."""

    def __init__(self) -> None:
        self._models: dict[str, WidgetModel] = {}
        self._capture = Capture()
        self._clear_next: set[str] = set()

    @property
    def widgets(self) -> Widgets:
        return Widgets(
            models=dict(self._models),
            capturing={parent: tuple(comms) for parent, comms in self._capture.by_parent.items()},
        )

    def take(self, publications: Iterable[Publication]) -> None:
        for publication in publications:
            self._capture.take(publication)
            match publication.msg_type:
                case "comm_open" if publication.content.get("target_name") == TARGET:
                    self._set(publication, WidgetModel(state={}))
                case "comm_msg" if _data(publication).get("method") in ("update", "echo_update"):
                    known = self._models.get(str(publication.content["comm_id"]))
                    if known is not None:
                        self._set(publication, known)
                case "comm_close":
                    self._models.pop(str(publication.content["comm_id"]), None)
                case _:
                    comm = self._capture.of(publication)
                    if comm is not None and comm in self._models:
                        self._output(comm, publication)

    def _set(self, publication: Publication, known: WidgetModel) -> None:
        comm, data = str(publication.content["comm_id"]), _data(publication)
        self._models.pop(comm, None)
        state = data.get("state")
        paths = data.get("buffer_paths")
        self._models[comm] = merged(
            known,
            state if isinstance(state, dict) else {},
            paths if isinstance(paths, list) else [],
            publication.buffers,
        )
        if len(self._models) > MOST_MODELS:
            del self._models[next(iter(self._models))]

    def _output(self, comm: str, publication: Publication) -> None:
        model = self._models[comm]
        outputs = model.state.get("outputs")
        before = list(outputs) if isinstance(outputs, list | tuple) else []
        content = publication.content
        if publication.msg_type == "clear_output":
            if content.get("wait"):
                self._clear_next.add(comm)
                return
            self._clear_next.discard(comm)
            after = []
        else:
            if comm in self._clear_next:
                self._clear_next.discard(comm)
                before = []
            after = _with_output(before, publication)
        self._models[comm] = msgspec.structs.replace(model, state={**model.state, "outputs": after})


def merged(
    known: WidgetModel, state: Mapping[str, Any], paths: Iterable[Any], buffers: Iterable[Blob]
) -> WidgetModel:
    """The model with some values new. A value's buffers go with it."""
    brought = [
        WidgetBuffer(path=tuple(path), blob=buffer)
        for path, buffer in zip(paths, buffers, strict=False)
        if isinstance(path, list) and path
    ]
    new = {*state, *(str(each.path[0]) for each in brought)}
    # A value that is a buffer as a whole is not in the state.
    kept = {name: value for name, value in known.state.items() if name not in new}
    left = tuple(each for each in known.buffers if str(each.path[0]) not in new)
    return WidgetModel(state={**kept, **state}, buffers=(*left, *brought))


def digests(widgets: Widgets) -> list[str]:
    """Of all that the states lack: buffers, and what was taken out of outputs."""
    models = widgets.models.values()
    outputs = [blob for model in models for output in _outputs(model) for blob in _blobs(output).values()]
    return sorted(
        {each.blob.digest for model in models for each in model.buffers} | {b.digest for b in outputs}
    )


def document(widgets: Widgets, read: Mapping[str, bytes]) -> dict[str, Any]:
    """The widgets as notebook files have them, ``application/vnd.jupyter.widget-state+json``.

    Args:
        read: the bytes of buffers by digest; those that are not there are left out.

    Source: ipywidgets, *packages/schema/v2/state.schema.json*.
    """
    return {
        "version_major": 2,
        "version_minor": 0,
        "state": {comm: _described(model, read) for comm, model in widgets.models.items()},
    }


def _described(model: WidgetModel, read: Mapping[str, bytes]) -> dict[str, Any]:
    state = dict(model.state)
    if outputs := _outputs(model):
        state["outputs"] = [_whole(output, read) for output in outputs]
    described: dict[str, Any] = {
        "model_name": str(state.get("_model_name", "")),
        "model_module": str(state.get("_model_module", "")),
        "model_module_version": str(state.get("_model_module_version", "")),
        "state": state,
    }
    buffers = [
        {"encoding": "base64", "path": list(each.path), "data": b64encode(read[each.blob.digest]).decode()}
        for each in model.buffers
        if each.blob.digest in read
    ]
    return {**described, "buffers": buffers} if buffers else described


def _outputs(model: WidgetModel) -> list[Any]:
    outputs = model.state.get("outputs")
    return outputs if isinstance(outputs, list) else []


def _blobs(output: Any) -> dict[str, Blob]:
    """What was taken out of the data of an output; the code may have written anything there."""
    try:
        return msgspec.convert(output.get("blobs", {}), dict[str, Blob]) if isinstance(output, dict) else {}
    except msgspec.ValidationError:
        return {}


def _whole(output: Any, read: Mapping[str, bytes]) -> Any:
    taken = _blobs(output)
    if not taken:
        return output
    rest = {name: value for name, value in output.items() if name != "blobs"}
    return {**rest, "data": put_back(output["data"], taken, read)}


def _data(publication: Publication) -> dict[str, Any]:
    data = publication.content.get("data")
    return data if isinstance(data, dict) else {}


def _with_output(before: list[Any], publication: Publication) -> list[Any]:
    content = {name: value for name, value in publication.content.items() if name != "transient"}
    output = {"output_type": publication.msg_type, **content}
    if publication.blobs:
        output["blobs"] = msgspec.to_builtins(publication.blobs)
    last = before[-1] if before else None
    if publication.msg_type == "stream" and isinstance(last, dict) and last.get("name") == content["name"]:
        text = f"{last.get('text', '')}{content['text']}"
        return [*before[:-1], {**last, "text": text[-MOST_TEXT:]}]
    return [*before, output][-MOST_OUTPUTS:]
