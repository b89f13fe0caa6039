/**
 * The widgets of one frame: models from the states that the page hands in, views of them, changes out.
 *
 * It runs inside the sandboxed frame, with the code of widgets beside it: the page believes nothing it says.
 */

import * as base from "@jupyter-widgets/base";
import * as controls from "@jupyter-widgets/controls";
import * as anywidget from "./anywidget";
import * as output from "./output";

type Model = base.WidgetModel;
type Callbacks = { iopub?: { status?: (message: unknown) => void } } | undefined;

/** A state as it comes from the page, with its binary parts. */
export interface Described {
  readonly state: Record<string, unknown>;
  readonly paths: readonly (readonly (string | number)[])[];
  readonly buffers: readonly ArrayBuffer[];
}

export type Send = (comm: string, data: unknown, buffers: readonly ArrayBuffer[], id: string) => void;

const MODULES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "@jupyter-widgets/base": base as unknown as Record<string, unknown>,
  "@jupyter-widgets/controls": controls as unknown as Record<string, unknown>,
  "@jupyter-widgets/output": output as unknown as Record<string, unknown>,
  anywidget: anywidget as unknown as Record<string, unknown>,
};

/** The comm of a model, as `WidgetModel` uses it. Source: `@jupyter-widgets/base`, *IClassicComm*. */
class FrameComm {
  readonly target_name = "jupyter.widget";
  heard: (message: unknown) => unknown = () => undefined;
  closed: (message: unknown) => unknown = () => undefined;

  constructor(
    readonly comm_id: string,
    private readonly manager: Manager,
  ) {}

  send(data: unknown, callbacks?: Callbacks, _metadata?: unknown, buffers?: readonly (ArrayBuffer | ArrayBufferView)[]): string {
    return this.manager.sendOf(this.comm_id, data, buffers ?? [], callbacks);
  }

  open(): string {
    return "";
  }

  /** Views come and go; what the session made only the session ends. */
  close(): string {
    return "";
  }

  on_msg(callback: (message: unknown) => unknown): void {
    this.heard = callback;
  }

  on_close(callback: (message: unknown) => unknown): void {
    this.closed = callback;
  }
}

export class Manager {
  readonly #models = new Map<string, Promise<Model>>();
  readonly #comms = new Map<string, FrameComm>();
  readonly #waiting = new Map<string, Callbacks>();
  /** What a widget said of being disabled, before it could not be moved at all. */
  readonly #disabled = new WeakMap<Model, unknown>();
  #live = true;

  constructor(private readonly send: Send) {}

  // --- What the page tells --------------------------------------------------------------------

  /** Make models. All are known before the first one is made, for they refer to each other. */
  async open(models: Readonly<Record<string, Described>>): Promise<void> {
    await Promise.all(
      Object.entries(models).map(([id, described]) => {
        const comm = new FrameComm(id, this);
        this.#comms.set(id, comm);
        const made = this.#make(id, comm, whole(described));
        this.register_model(id, made);
        return made.then(
          (model) => this.#settle(model),
          () => undefined,
        );
      }),
    );
  }

  async update(id: string, described: Described): Promise<void> {
    const model = await this.#models.get(id)?.catch(() => undefined);
    const comm = this.#comms.get(id);
    if (model === undefined || comm === undefined) return;
    const state = whole(described);
    // What the person has moved on to since is on its way.
    const unsent = (model as unknown as { _msg_buffer: Record<string, unknown> | null })._msg_buffer ?? {};
    for (const name of Object.keys(unsent)) delete state[name];
    if ("disabled" in state) this.#disabled.delete(model);
    await comm.heard({ content: { data: { method: "update", state, buffer_paths: [] } }, buffers: [] });
    this.#settle(model);
  }

  async custom(id: string, content: unknown, buffers: readonly ArrayBuffer[]): Promise<void> {
    await this.#models.get(id)?.catch(() => undefined);
    await this.#comms.get(id)?.heard({ content: { data: { method: "custom", content } }, buffers: buffers.map((each) => new DataView(each)) });
  }

  close(id: string): void {
    this.#comms.get(id)?.closed({ content: { data: {} } });
    this.#comms.delete(id);
    this.#models.delete(id);
  }

  /** A message was handled, or refused: the next one may go. */
  handled(id: string): void {
    const callbacks = this.#waiting.get(id);
    this.#waiting.delete(id);
    callbacks?.iopub?.status?.({ content: { execution_state: "idle" } });
  }

  async setLive(live: boolean): Promise<void> {
    this.#live = live;
    for (const made of this.#models.values())
      await made.then(
        (model) => this.#settle(model),
        () => undefined,
      );
  }

  sendOf(comm: string, data: unknown, buffers: readonly (ArrayBuffer | ArrayBufferView)[], callbacks: Callbacks): string {
    const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#waiting.set(id, callbacks);
    const parts = buffers.map((each) =>
      each instanceof ArrayBuffer ? each.slice(0) : (each.buffer.slice(each.byteOffset, each.byteOffset + each.byteLength) as ArrayBuffer),
    );
    this.send(comm, data, parts, id);
    return id;
  }

  /** Who may only look sees controls that say so. It is not told to the session. */
  #settle(model: Model): void {
    if (!("disabled" in model.attributes)) return;
    if (!this.#live) {
      if (!this.#disabled.has(model)) this.#disabled.set(model, model.get("disabled"));
      model.set_state({ disabled: true });
    } else if (this.#disabled.has(model)) {
      model.set_state({ disabled: this.#disabled.get(model) });
      this.#disabled.delete(model);
    }
  }

  // --- What models and views ask. Source: `@jupyter-widgets/base`, *IWidgetManager* ------------

  async #make(id: string, comm: FrameComm, state: Record<string, unknown>): Promise<Model> {
    // Its state may refer to one that is registered in the same turn.
    await null;
    const [name, module] = [String(state["_model_name"]), String(state["_model_module"])];
    const Kind = classOf(name, module) as unknown as {
      new (attributes: object, options: object): Model;
      _deserialize_state(state: object, manager: unknown): Promise<object>;
    };
    const attributes = await Kind._deserialize_state(state, this);
    const model = new Kind(attributes, { widget_manager: this, model_id: id, comm });
    Object.assign(model, { name, module });
    return model;
  }

  register_model(id: string, model: Promise<Model>): void {
    this.#models.set(id, model);
  }

  has_model(id: string): boolean {
    return this.#models.has(id);
  }

  get_model(id: string): Promise<Model> {
    return this.#models.get(id) ?? Promise.reject(new Error("The state of this widget is not known any more."));
  }

  new_model(): Promise<Model> {
    return Promise.reject(new Error("A frame makes no widgets of its own."));
  }

  new_widget(): Promise<Model> {
    return this.new_model();
  }

  create_view(model: Model, options: object = {}): Promise<base.WidgetView> {
    const made = model.state_change.then(async () => {
      const Kind = classOf(String(model.get("_view_name")), String(model.get("_view_module"))) as new (given: object) => base.WidgetView;
      const view = new Kind({ model, options });
      view.listenTo(model, "destroy", view.remove);
      await view.render();
      return view;
    });
    model.state_change = made;
    if (model.views) {
      const id = base.uuid();
      const views = model.views as Record<string, Promise<base.WidgetView>>;
      views[id] = made;
      made.then(
        (view) => view.once("remove", () => delete views[id]),
        () => delete views[id],
      );
    }
    return made;
  }

  callbacks(): object {
    return {};
  }

  resolveUrl(url: string): Promise<string> {
    return Promise.resolve(url);
  }

  /** Labels may hold markup; here it harms nobody but the frame, and that its code can do anyway. */
  inline_sanitize(source: string): string {
    return source;
  }
}

function classOf(name: string, module: string): unknown {
  const known = Object.hasOwn(MODULES, module) ? MODULES[module] : undefined;
  if (known === undefined) throw new Error(`This page has no code for widgets of ${module}.`);
  const found = known[name];
  if (typeof found !== "function") throw new Error(`This page's ${module} has no ${name}.`);
  return found;
}

/** The state with its binary parts in their places. */
function whole({ state, paths, buffers }: Described): Record<string, unknown> {
  base.put_buffers(
    state as never,
    paths as (string | number)[][],
    buffers.map((each) => new DataView(each)),
  );
  return state;
}
