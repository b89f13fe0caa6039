/**
 * `<widget-frame>`: a widget with all that it is made of, live in a sandboxed frame.
 *
 * What is in the frame is code of the session's author. Of what it says only messages to widgets of its own
 * session are taken, and only while the person may run code and has pointed or typed into it: what a document
 * does by itself when it is opened reaches no session.
 *
 * page -> frame   begin, open, update, custom, close   states and messages, with their binary parts
 *                 handled                              a message was handled or refused: the next may go
 *                 live                                 whether the person may move anything
 * frame -> page   ready, send
 */

import { valueOf } from "../blobs";
import type { Blob as ServerBlob, MessageId, SessionUid } from "../protocol";
import { isRecord, type ModelId, needed, NO_WIDGETS, type WidgetModel, type Widgets } from "../widgets";
import { OutputFrame } from "./frame";

/** What the frames draw from, and where their messages go. */
export interface WidgetHost {
  widgets(session: SessionUid): Widgets | null;
  send(session: SessionUid, comm: ModelId, data: object, buffers: readonly string[], msgId: MessageId): Promise<unknown>;
}

let host: WidgetHost = { widgets: () => null, send: () => Promise.reject(new Error("not connected")) };
const frames = new Set<WidgetFrame>();

export function hostWidgets(given: WidgetHost): void {
  host = given;
}

/** The state is another now. */
export function widgetsChanged(): void {
  for (const frame of frames) frame.follow();
}

export interface ShownWidget {
  readonly session: SessionUid;
  readonly model: ModelId;
  /** What is shown when this page has no code for it. */
  readonly fallback: string;
}

const CONTENT = { html: null, script: null, libraries: ["widgets"] } as const;

/** What one looks at is one's own: no word of it goes out from who may only look, nor is it turned back. */
const OWN: ReadonlySet<string> = new Set(["selected_index"]);

const MOST_BYTES = 2_500_000;

export class WidgetFrame extends HTMLElement {
  #shown: ShownWidget | null = null;
  #live = false;
  #told: boolean | null = null;
  #ready = false;
  #touched = false;
  readonly #frame = new OutputFrame();
  /** The values that the frame has, by the number that set them. */
  #has = new Map<ModelId, { readonly model: WidgetModel; readonly numbers: Record<string, number> }>();
  /** Messages on their way, with the values that they set: those come from the session only after it. */
  readonly #sent = new Map<MessageId, { readonly model: ModelId; readonly names: readonly string[] }>();
  #custom = 0;
  #drawn: Widgets | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor() {
    super();
    this.#frame.guest = { heard: (message) => this.#heard(message), left: () => this.#forget() };
    this.addEventListener("pointerover", () => (this.#touched = true));
  }

  set shown(shown: ShownWidget) {
    const same = this.#shown?.model === shown.model && this.#shown.session === shown.session;
    this.#shown = shown;
    if (!same && this.isConnected) this.#begin();
  }

  set live(live: boolean) {
    this.#live = live;
    this.follow();
  }

  set dark(dark: boolean) {
    this.#frame.dark = dark;
  }

  connectedCallback(): void {
    frames.add(this);
    this.#begin();
  }

  disconnectedCallback(): void {
    frames.delete(this);
  }

  #begin(): void {
    this.#forget();
    this.#frame.content = CONTENT;
    this.replaceChildren(this.#frame);
  }

  #forget(): void {
    this.#ready = false;
    this.#told = null;
    this.#drawn = null;
    this.#has = new Map();
    this.#sent.clear();
  }

  /** Tell the frame what is new. */
  follow(): void {
    if (!this.#ready || this.#shown === null) return;
    const { session, model: root } = this.#shown;
    const widgets = host.widgets(session) ?? NO_WIDGETS;
    if (this.#told !== null && this.#told !== this.#live) this.#say(async () => ({ what: "live", live: this.#live }));
    const first = this.#told === null;
    this.#told = this.#live;
    if (widgets === this.#drawn) return;
    for (const id of [...this.#sent.keys()]) if (widgets.handled.includes(id)) this.#handled(id);
    if (first) {
      this.#custom = widgets.customs.at(-1)?.number ?? 0;
      const models = this.#take(widgets, needed(widgets.models, root));
      this.#say(async () => ({ what: "begin", root, models: await described(models), live: this.#live, fallback: this.#shown?.fallback ?? "" }));
    } else {
      this.#keepUp(widgets, root);
    }
    this.#drawn = widgets;
  }

  #keepUp(widgets: Widgets, root: ModelId): void {
    const ids = needed(widgets.models, root);
    const opened = this.#take(widgets, new Set([...ids].filter((id) => !this.#has.has(id))));
    if (opened.length > 0) this.#say(async () => ({ what: "open", models: await described(opened) }));
    for (const [id, { model, numbers }] of this.#has) {
      const now = widgets.models.get(id);
      if (now === undefined) {
        this.#has.delete(id);
        // A closed widget leaves its place, as a progress bar that is told to.
        this.#say(async () => ({ what: "close", model: id }));
      } else if (now !== model) {
        const due = Object.keys(now.numbers).filter((name) => (now.numbers[name] ?? 0) > (numbers[name] ?? 0) && !this.#isOnItsWay(id, name));
        // Values held back keep the number that they had: they are due when the message was handled.
        const has = { ...numbers, ...Object.fromEntries(due.map((name) => [name, now.numbers[name]!])) };
        const all = Object.keys(now.numbers).every((name) => has[name] === now.numbers[name]);
        this.#has.set(id, { model: all ? now : model, numbers: has });
        if (due.length > 0) this.#say(async () => ({ what: "update", model: id, described: await describe(only(now, due)) }));
      }
    }
    for (const { number, model, content, buffers } of widgets.customs) {
      if (number <= this.#custom) continue;
      this.#custom = number;
      if (this.#has.has(model)) this.#say(async () => ({ what: "custom", model, content, buffers: await Promise.all(buffers.map(bytesOf)) }));
    }
  }

  #take(widgets: Widgets, ids: ReadonlySet<ModelId>): readonly (readonly [ModelId, WidgetModel])[] {
    const models = [...ids].map((id) => [id, widgets.models.get(id)!] as const);
    for (const [id, model] of models) this.#has.set(id, { model, numbers: { ...model.numbers } });
    return models;
  }

  #isOnItsWay(id: ModelId, name: string): boolean {
    return [...this.#sent.values()].some(({ model, names }) => model === id && names.includes(name));
  }

  #heard(message: unknown): void {
    if (!isRecord(message)) return;
    if (message["what"] === "ready" && !this.#ready) {
      this.#ready = true;
      this.follow();
    }
    if (message["what"] === "send") this.#send(message);
  }

  #send({ comm, data, buffers, id }: Readonly<Record<string, unknown>>): void {
    if (typeof comm !== "string" || typeof id !== "string" || !/^[0-9a-f]{32}$/.test(id) || !isRecord(data) || this.#shown === null) return;
    const method = data["method"];
    const state = isRecord(data["state"]) ? data["state"] : {};
    const names = Object.keys(state);
    const parts = Array.isArray(buffers) ? buffers.filter((each): each is ArrayBuffer => each instanceof ArrayBuffer) : [];
    const size = parts.reduce((sum, { byteLength }) => sum + byteLength, jsonLength(data));
    this.#touched ||= this.#frame.focused;
    const may = this.#live && this.#touched && this.#has.has(comm) && (method === "update" || method === "custom") && size <= MOST_BYTES;
    const msgId = id as MessageId;
    if (!may) {
      this.#say(async () => ({ what: "handled", id }));
      if (this.#has.has(comm)) this.#restore(comm, names.filter((name) => !OWN.has(name)));
      return;
    }
    this.#sent.set(msgId, { model: comm, names });
    host.send(this.#shown.session, comm, data, parts.map(base64), msgId).catch(() => {
      // Nobody heard it: the frame goes back to what the session has.
      if (!this.#sent.has(msgId)) return;
      this.#handled(msgId);
      this.#restore(comm, names);
    });
  }

  #handled(id: MessageId): void {
    this.#sent.delete(id);
    this.#say(async () => ({ what: "handled", id }));
  }

  #restore(id: ModelId, names: readonly string[]): void {
    const model = this.#shown === null ? undefined : host.widgets(this.#shown.session)?.models.get(id);
    const known = names.filter((name) => model !== undefined && name in model.state);
    if (model !== undefined && known.length > 0) this.#say(async () => ({ what: "update", model: id, described: await describe(only(model, known)) }));
  }

  /** In order, although what is binary has to be fetched. */
  #say(make: () => Promise<object>): void {
    this.#turn = this.#turn.then(make).then(
      (message) => this.#frame.say(message),
      () => undefined,
    );
  }
}

customElements.define("widget-frame", WidgetFrame);

// --- States as the frame takes them -------------------------------------------------------------

interface Described {
  readonly state: Readonly<Record<string, unknown>>;
  readonly paths: readonly (readonly (string | number)[])[];
  readonly buffers: readonly ArrayBuffer[];
}

function only(model: WidgetModel, names: readonly string[]): WidgetModel {
  const wanted = new Set(names);
  return {
    ...model,
    state: Object.fromEntries(Object.entries(model.state).filter(([name]) => wanted.has(name))),
    buffers: model.buffers.filter(({ path }) => wanted.has(String(path[0]))),
  };
}

async function described(models: readonly (readonly [ModelId, WidgetModel])[]): Promise<Readonly<Record<ModelId, Described>>> {
  return Object.fromEntries(await Promise.all(models.map(async ([id, model]) => [id, await describe(model)] as const)));
}

async function describe({ state, buffers }: WidgetModel): Promise<Described> {
  const outputs = state["outputs"];
  return {
    state: Array.isArray(outputs) ? { ...state, outputs: await Promise.all(outputs.map(withData)) } : state,
    paths: buffers.map(({ path }) => path),
    buffers: await Promise.all(buffers.map(({ blob }) => bytesOf(blob))),
  };
}

/** An output that a widget took, with what the server had taken out of its data. */
async function withData(output: unknown): Promise<unknown> {
  if (!isRecord(output) || !isRecord(output["blobs"])) return output;
  const { blobs, ...rest } = output;
  const taken = Object.entries(blobs as Readonly<Record<string, ServerBlob>>);
  const values = await Promise.all(
    taken.map(async ([type, blob]) => [type, (await valueOf({ kind: "blob", url: urlOf(blob), bytes: blob.bytes, form: blob.form }))] as const),
  );
  const plain = values.map(([type, value]) => [type, isRecord(value) && "value" in value ? value["value"] : value]);
  return { ...rest, data: { ...(rest["data"] as object), ...Object.fromEntries(plain) } };
}

function urlOf({ digest, type }: ServerBlob): string {
  return `/blob/${digest}/${type}`;
}

async function bytesOf(blob: ServerBlob): Promise<ArrayBuffer> {
  const response = await fetch(urlOf(blob));
  if (!response.ok) throw new Error(`The server does not give this part of a widget (${response.status}).`);
  return response.arrayBuffer();
}

function base64(buffer: ArrayBuffer): string {
  let text = "";
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Infinite for what is no JSON. */
function jsonLength(value: unknown): number {
  try {
    return JSON.stringify(value).length;
  } catch {
    return Infinity;
  }
}
