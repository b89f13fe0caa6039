import { expect, test } from "vitest";
import { openNotebook } from "../src/notebook";
import { answerOf } from "../src/outputs";
import type { AccountName, Blob, MessageId, Publication, Snapshot, WidgetStates } from "../src/protocol";
import { hearWidgets, needed, NO_WIDGETS, referred, type WidgetModel, widgetsOf, type Widgets } from "../src/widgets";

function said(number: number, msg_type: string, content: object, parent = "r", more: object = {}): Publication {
  return { number, msg_id: `p${number}`, msg_type, parent, username: "ada", date: "", metadata: {}, content, ...more } as unknown as Publication;
}

const open = (number: number, comm_id: string, state: object, more: object = {}) =>
  said(number, "comm_open", { comm_id, target_name: "jupyter.widget", data: { state, ...more } });
const tell = (number: number, comm_id: string, state: object, method = "update", parent = "r") =>
  said(number, "comm_msg", { comm_id, data: { method, state } }, parent);
const print = (number: number, text: string, parent = "r") => said(number, "stream", { name: "stdout", text }, parent);

function fold(...publications: Publication[]): Widgets {
  return publications.reduce(hearWidgets, NO_WIDGETS);
}

test("updates and echoes set values, the later over the earlier, and say by which number", () => {
  const { models } = fold(open(1, "a", { value: 1, max: 9 }), tell(2, "a", { value: 2 }), tell(3, "a", { value: 3 }, "echo_update"));
  expect(models.get("a")).toEqual({ state: { max: 9, value: 3 }, buffers: [], numbers: { value: 3, max: 1 } });
});

test("a snapshot and the rest of the feed are the whole feed", () => {
  const feed = [open(1, "o", { outputs: [] }), tell(2, "o", { msg_id: "r" }), print(3, "a"), tell(4, "o", { msg_id: "" })];
  const whole = fold(...feed);
  for (let at = 1; at < feed.length; at++) {
    const { models, capturing } = fold(...feed.slice(0, at));
    const states = { models: Object.fromEntries(models), capturing: Object.fromEntries(capturing) } as unknown as WidgetStates;
    const later = feed.slice(at).reduce(hearWidgets, widgetsOf(states));
    expect([...later.models].map(([id, { state }]) => [id, state])).toEqual([...whole.models].map(([id, { state }]) => [id, state]));
  }
});

test("a value takes its buffers with it", () => {
  const blob = { digest: "1", bytes: 1, type: "application/octet-stream", form: "base64" } as Blob;
  const first = said(1, "comm_open", { comm_id: "a", target_name: "jupyter.widget", data: { state: {}, buffer_paths: [["x"]] } }, "r", { buffers: [blob] });
  expect(fold(first).models.get("a")?.buffers).toEqual([{ path: ["x"], blob }]);
  expect(fold(first, tell(2, "a", { x: null })).models.get("a")?.buffers).toEqual([]);
});

test("an Output widget takes what its request prints, and the cell does not show it", () => {
  const feed = [open(1, "o", { outputs: [] }), tell(2, "o", { msg_id: "r" }), print(3, "in"), tell(4, "o", { msg_id: "" }), print(5, "out")];
  expect(fold(...feed).models.get("o")?.state["outputs"]).toEqual([{ output_type: "stream", name: "stdout", text: "in" }]);
  expect(answerOf("r" as MessageId, "ada", feed).outputs).toMatchObject([{ kind: "stream", line: "out" }]);
});

test("a notebook opens with the states of the snapshot, and does not fold what they hold already", () => {
  const taken = [tell(2, "o", { msg_id: "r" }), print(3, "in"), tell(4, "o", { msg_id: "" })];
  const state = { outputs: [{ output_type: "stream", name: "stdout", text: "in" }] };
  const snapshot = {
    worksheet: {}, cells: [], members: [], omitted: {}, threads: [], read: {}, cursor: 1,
    runs: [{ id: "run", cell: "c", session: "s", msg_id: "r", account: "ada", state: "ok", created: "" }],
    outputs: { run: taken },
    session: { uid: "s", cursor: 4 },
    widgets: { s: { models: { o: { state, buffers: [] } }, capturing: {} } },
  } as unknown as Snapshot;
  const notebook = openNotebook("ada" as AccountName, snapshot);
  expect(notebook.widgets.get("s" as never)?.models.get("o")?.state).toEqual(state);
  expect(notebook.answers.get("r" as MessageId)?.outputs).toEqual([]);
});

test("messages beside the state are heard once and bounded", () => {
  let widgets = fold(open(1, "a", {}));
  for (let number = 2; number < 700; number++)
    widgets = hearWidgets(widgets, said(number, "comm_msg", { comm_id: "a", data: { method: "custom", content: number } }));
  expect(widgets.customs.length).toBe(500);
  expect(widgets.customs.at(-1)).toMatchObject({ number: 699, content: 699 });
});

test("what was handled is known by the idle that follows it", () => {
  const idle = said(3, "status", { execution_state: "idle" }, "m");
  expect(fold(open(1, "a", {}), tell(2, "a", { value: 1 }, "echo_update", "m"), idle).handled).toEqual(["m"]);
});

test("a frame needs a widget, what it is made of, and what is linked to that", () => {
  const model = (state: WidgetModel["state"]): WidgetModel => ({ state, buffers: [], numbers: {} });
  const models = new Map([
    ["box", model({ children: ["IPY_MODEL_a"] })],
    ["a", model({ layout: "IPY_MODEL_layout" })],
    ["layout", model({})],
    ["link", model({ _model_name: "LinkModel", source: ["IPY_MODEL_a", "value"], target: ["IPY_MODEL_b", "value"] })],
    ["b", model({})],
    ["next", model({ _model_name: "DirectionalLinkModel", source: ["IPY_MODEL_b", "value"], target: ["IPY_MODEL_c", "value"] })],
    ["c", model({})],
    ["other", model({})],
  ]);
  expect([...needed(models, "box")].sort()).toEqual(["a", "b", "box", "c", "layout", "link", "next"]);
  expect([...needed(models, "gone")]).toEqual([]);
  expect(referred({ data: { "application/vnd.jupyter.widget-view+json": { model_id: "x" } } })).toEqual(["x"]);
});
