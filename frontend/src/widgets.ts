/**
 * The newest state of a session's widgets: the fold of its comm messages, by number.
 *
 * Pure, and the rules of `webserver/antiphon_webserver/widgets.py`: a snapshot has what was folded there,
 * the feed goes on. A later number wins, so all who read the feed end equal.
 */

import type { Blob, MessageId, Publication, WidgetBuffer, WidgetStates } from "./protocol";

export type ModelId = string;

export interface WidgetModel {
  readonly state: Readonly<Record<string, unknown>>;
  readonly buffers: readonly WidgetBuffer[];
  /** By which publication a value was set last; none is the snapshot. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** What the session's end of a widget said beside its state. It is heard by who is there, and not kept. */
export interface Custom {
  readonly number: number;
  readonly model: ModelId;
  readonly content: unknown;
  readonly buffers: readonly Blob[];
}

export interface Widgets {
  readonly models: ReadonlyMap<ModelId, WidgetModel>;
  /** Which `Output` widgets take what a request publishes, the innermost last. */
  readonly capturing: Capturing;
  readonly clearNext: ReadonlySet<ModelId>;
  readonly customs: readonly Custom[];
  /** The newest requests that were handled: what they changed was told before. */
  readonly handled: readonly MessageId[];
}

export type Capturing = ReadonlyMap<MessageId, readonly ModelId[]>;

export const NO_WIDGETS: Widgets = { models: new Map(), capturing: new Map(), clearNext: new Set(), customs: [], handled: [] };

/** Drawn once in a frame of the screen; more than this in one is a flood, and the oldest go. */
const CUSTOMS = 500;
const HANDLED = 200;
const MOST_MODELS = 5_000;
const MOST_OUTPUTS = 1_000;
const MOST_TEXT = 256 * 1024;

const CAPTURED: ReadonlySet<string> = new Set(["stream", "display_data", "execute_result", "error", "clear_output"]);

export function widgetsOf({ models, capturing }: WidgetStates): Widgets {
  return {
    ...NO_WIDGETS,
    models: new Map(Object.entries(models).map(([id, { state, buffers }]) => [id, { state, buffers, numbers: {} }])),
    capturing: new Map(Object.entries(capturing) as [MessageId, readonly ModelId[]][]),
  };
}

/** One publication more; the same widgets when it does not concern them. */
export function hearWidgets(widgets: Widgets, publication: Publication): Widgets {
  const capturing = captureAfter(widgets.capturing, publication);
  const next = capturing === widgets.capturing ? widgets : { ...widgets, capturing };
  switch (publication.msg_type) {
    case "comm_open": {
      const { comm_id, target_name } = publication.content;
      return target_name === "jupyter.widget" ? withModel(next, comm_id, { state: {}, buffers: [], numbers: {} }, publication) : next;
    }
    case "comm_msg": {
      const { comm_id, data } = publication.content;
      const known = next.models.get(comm_id);
      if (known === undefined) return next;
      if (data["method"] === "update" || data["method"] === "echo_update") return withModel(next, comm_id, known, publication);
      if (data["method"] !== "custom") return next;
      const custom = { number: publication.number, model: comm_id, content: data["content"], buffers: publication.buffers ?? [] };
      return { ...next, customs: [...next.customs, custom].slice(-CUSTOMS) };
    }
    case "comm_close": {
      const models = new Map(next.models);
      return models.delete(publication.content.comm_id) ? { ...next, models } : next;
    }
    case "status":
      if (publication.content.execution_state !== "idle" || next.models.size === 0) return next;
      return { ...next, handled: [...next.handled, publication.parent].slice(-HANDLED) };
    default: {
      const taker = takerOf(capturing, publication);
      return taker === null ? next : withOutput(next, taker, publication);
    }
  }
}

/** An `Output` widget is told by its `msg_id` whose outputs it takes from now on. */
export function captureAfter(capturing: Capturing, publication: Publication): Capturing {
  if (publication.msg_type !== "comm_msg" && publication.msg_type !== "comm_close") return capturing;
  const { comm_id, data } = publication.content;
  const state = data["state"];
  const told = publication.msg_type === "comm_msg" && isRecord(state) ? state["msg_id"] : undefined;
  if (typeof told !== "string" && publication.msg_type !== "comm_close") return capturing;
  const after = new Map<MessageId, readonly ModelId[]>();
  for (const [parent, models] of capturing) {
    const others = models.filter((id) => id !== comm_id);
    if (others.length > 0) after.set(parent, others);
  }
  if (typeof told === "string" && told !== "") after.set(told as MessageId, [...(after.get(told as MessageId) ?? []), comm_id]);
  return after;
}

/** The widget that takes this publication; null where it stands where it stood. */
export function takerOf(capturing: Capturing, { msg_type, parent }: Publication): ModelId | null {
  return CAPTURED.has(msg_type) ? (capturing.get(parent)?.at(-1) ?? null) : null;
}

function withModel(widgets: Widgets, id: ModelId, known: WidgetModel, publication: Extract<Publication, { msg_type: "comm_open" | "comm_msg" }>): Widgets {
  const { state, buffer_paths: paths } = publication.content.data;
  const models = new Map(widgets.models);
  // What changed last stands last: of too many the one that changed longest ago goes.
  models.delete(id);
  models.set(id, merged(known, isRecord(state) ? state : {}, Array.isArray(paths) ? paths : [], publication.buffers ?? [], publication.number));
  if (models.size > MOST_MODELS) models.delete(models.keys().next().value!);
  return { ...widgets, models };
}

function merged(known: WidgetModel, state: Readonly<Record<string, unknown>>, paths: readonly unknown[], blobs: readonly Blob[], number: number): WidgetModel {
  const brought = blobs.flatMap((blob, index): WidgetBuffer[] => {
    const path = paths[index];
    return Array.isArray(path) && path.length > 0 ? [{ path: path as (string | number)[], blob }] : [];
  });
  const names = new Set([...Object.keys(state), ...brought.map(({ path }) => String(path[0]))]);
  const kept = Object.fromEntries(Object.entries(known.state).filter(([name]) => !names.has(name)));
  return {
    state: { ...kept, ...state },
    buffers: [...known.buffers.filter(({ path }) => !names.has(String(path[0]))), ...brought],
    numbers: { ...known.numbers, ...Object.fromEntries([...names].map((name) => [name, number])) },
  };
}

function withOutput(widgets: Widgets, id: ModelId, publication: Publication): Widgets {
  const model = widgets.models.get(id);
  if (model === undefined) return widgets;
  const before = Array.isArray(model.state["outputs"]) ? (model.state["outputs"] as readonly unknown[]) : [];
  const clearNext = new Set(widgets.clearNext);
  if (publication.msg_type === "clear_output" && publication.content.wait) return { ...widgets, clearNext: clearNext.add(id) };
  const clears = clearNext.delete(id) || publication.msg_type === "clear_output";
  const outputs = publication.msg_type === "clear_output" ? [] : appended(clears ? [] : before, publication);
  const models = new Map(widgets.models);
  models.set(id, { ...model, state: { ...model.state, outputs }, numbers: { ...model.numbers, outputs: publication.number } });
  return { ...widgets, models, clearNext };
}

function appended(before: readonly unknown[], { msg_type, content, blobs }: Publication): readonly unknown[] {
  const last = before.at(-1);
  if (msg_type === "stream" && isRecord(last) && last["name"] === content.name)
    return [...before.slice(0, -1), { ...last, text: `${String(last["text"])}${content.text}`.slice(-MOST_TEXT) }];
  return [...before, { output_type: msg_type, ...content, ...(blobs === undefined ? {} : { blobs }) }].slice(-MOST_OUTPUTS);
}

// --- What one frame needs -----------------------------------------------------------------------

const REFERENCE = "IPY_MODEL_";

/** Links have no view and stand in no other widget's state, yet act on what is shown. */
const LINKS: ReadonlySet<unknown> = new Set(["LinkModel", "DirectionalLinkModel"]);

/** The widgets that a state, or a part of one, refers to. */
export function referred(value: unknown): readonly ModelId[] {
  if (typeof value === "string") return value.startsWith(REFERENCE) ? [value.slice(REFERENCE.length)] : [];
  if (Array.isArray(value)) return value.flatMap(referred);
  if (!isRecord(value)) return [];
  const view = value["application/vnd.jupyter.widget-view+json"];
  const shown = isRecord(view) && typeof view["model_id"] === "string" ? [view["model_id"]] : [];
  return [...shown, ...Object.values(value).flatMap(referred)];
}

/** A widget, all that it is made of, and the links between any two of them and others. */
export function needed(models: Widgets["models"], root: ModelId): ReadonlySet<ModelId> {
  const found = new Set<ModelId>();
  const links = [...models].filter(([, { state }]) => LINKS.has(state["_model_name"]));
  const reach = (from: ModelId): void => {
    const waiting = [from];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const model = models.get(id);
      if (model === undefined || found.has(id)) continue;
      found.add(id);
      waiting.push(...referred(model.state));
    }
  };
  reach(root);
  // A link brings its other end, to which another may hold.
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [id, { state }] of links) if (!found.has(id) && referred(state).some((end) => found.has(end))) reach(id);
  }
  return found;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
