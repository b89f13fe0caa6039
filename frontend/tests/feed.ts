/** Publications, entries and snapshots in the shape in which the server sends them. */

import type { CellId, Entry, Publication, Run, ShownCell, Snapshot } from "../src/protocol";

type Of<Type extends Publication["msg_type"]> = Extract<Publication, { msg_type: Type }>;

export function publication<Type extends Publication["msg_type"]>(
  number: number,
  msg_type: Type,
  content: Of<Type>["content"],
  parent = "run-1",
): Of<Type> {
  return {
    number,
    msg_id: `m${number}`,
    msg_type,
    parent,
    username: "ana",
    date: new Date(1_800_000_000_000 + number * 1000).toISOString(),
    metadata: {},
    content,
  } as unknown as Of<Type>;
}

export function stream(number: number, text: string, name: "stdout" | "stderr" = "stdout", parent = "run-1"): Of<"stream"> {
  return publication(number, "stream", { name, text }, parent);
}

export function display(number: number, text: string, display_id: string, parent = "run-1"): Of<"display_data"> {
  return publication(number, "display_data", { data: { "text/plain": text }, metadata: {}, transient: { display_id } }, parent);
}

export function error(number: number, ename: string, evalue: string): Of<"error"> {
  return publication(number, "error", { ename, evalue, traceback: [`${ename}: ${evalue}`] });
}

/** A whole run, from busy to idle, of `texts`. */
export function runOf(first: number, parent: string, code: string, texts: readonly string[]): Publication[] {
  let number = first;
  return [
    publication(number++, "status", { execution_state: "busy" }, parent),
    publication(number++, "execute_input", { code, execution_count: 1 }, parent),
    ...texts.map((text) => stream(number++, text, "stdout", parent)),
    publication(number++, "execute_reply", { status: "ok", execution_count: 1 }, parent),
    publication(number++, "status", { execution_state: "idle" }, parent),
  ];
}

export function cell(id: string, source = "", version = 0): ShownCell {
  return { id: id as CellId, type: "code", source, version, metadata: {}, edited: false, outdated: false, ended: false };
}

export function run(id: string, of: string | null, fields: Partial<Run> = {}): Run {
  return {
    id,
    worksheet: "w",
    cell: of,
    session: "s",
    msg_id: id,
    account: "ana",
    code: "",
    state: "queued",
    reason: "",
    execution_count: 0,
    created: "2026-11-21T10:00:00Z",
    started: null,
    ended: null,
    ...fields,
  } as Run;
}

export function entry<Kind extends Entry["kind"]>(number: number, kind: Kind, fields: object): Entry {
  return { number, kind, author: "ana", date: "2026-11-21T10:00:00Z", ...fields } as unknown as Entry;
}

export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    worksheet: { id: "w", title: "W", owner: "ana", role: "own", created: "", changed: "", session: "s" },
    cells: [cell("a"), cell("b")],
    members: [{ account: "ana", display_name: "Ana", role: "own" }],
    runs: [],
    outputs: {},
    omitted: {}, threads: [], read: {},
    cursor: 10,
    session: { uid: "s", cursor: 0 },
    ...fields,
  } as unknown as Snapshot;
}
