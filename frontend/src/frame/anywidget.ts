/**
 * Widgets whose code is in their state. Source: anywidget, *Anywidget Front-End Module*.
 *
 * The code becomes a module by a blob's address: the frame has no network, so what it imports from
 * elsewhere does not come.
 */

import { DOMWidgetModel, DOMWidgetView } from "@jupyter-widgets/base";

type Cleanup = void | (() => void | Promise<void>);
type Step = (given: { model: unknown; el?: HTMLElement; experimental: object }) => Cleanup | Promise<Cleanup>;

interface Module {
  readonly initialize?: Step;
  readonly render?: Step;
}

async function load(source: string): Promise<Module> {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    const module = (await import(/* @vite-ignore */ url)) as { default?: unknown; render?: Step };
    const { default: main, render } = module;
    if (render !== undefined) return { render };
    if (main === undefined) throw new Error("The module of this widget exports nothing that can be shown.");
    return (typeof main === "function" ? await (main as () => unknown)() : main) as Module;
  } catch (error) {
    const elsewhere = /\bfrom\s*["']https?:|import\s*\(?\s*["']https?:/.test(source);
    throw new Error(
      elsewhere ? "The code of this widget imports from elsewhere, and an output has no network." : `The code of this widget failed: ${String(error)}`,
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}

const LOADED = new WeakMap<AnyModel, Promise<Module>>();

function moduleOf(model: AnyModel): Promise<Module> {
  let loaded = LOADED.get(model);
  if (loaded === undefined) {
    loaded = load(String(model.get("_esm"))).then(async (module) => {
      await module.initialize?.({ model: faceOf(model, model), experimental: {} });
      return module;
    });
    LOADED.set(model, loaded);
  }
  return loaded;
}

/** What a widget's code may do with its model. Its listeners go with the view that made them. */
function faceOf(model: AnyModel, context: unknown): object {
  return {
    get: model.get.bind(model),
    set: model.set.bind(model),
    save_changes: model.save_changes.bind(model),
    send: model.send.bind(model),
    on: (name: string, callback: () => void) => model.on(name, callback, context),
    off: (name?: string | null, callback?: () => void) => model.off(name ?? null, callback, context),
    widget_manager: model.widget_manager,
  };
}

export class AnyModel extends DOMWidgetModel {
  override defaults(): ReturnType<DOMWidgetModel["defaults"]> {
    return { ...super.defaults(), _model_module: "anywidget", _model_name: "AnyModel", _view_module: "anywidget", _view_name: "AnyView" };
  }
}

export class AnyView extends DOMWidgetView {
  #cleanup: Cleanup = undefined;

  override async render(): Promise<void> {
    super.render();
    const model = this.model as AnyModel;
    const style = document.createElement("style");
    const dress = () => (style.textContent = String(model.get("_css") ?? ""));
    dress();
    this.listenTo(model, "change:_css", dress);
    document.head.append(style);
    this.once("remove", () => style.remove());
    const { render } = await moduleOf(model);
    this.#cleanup = await render?.({ model: faceOf(model, this), el: this.el as HTMLElement, experimental: {} });
  }

  override remove(): void {
    void (this.#cleanup as (() => void) | undefined)?.();
    (this.model as AnyModel | undefined)?.off(null as never, undefined, this);
    super.remove();
  }
}
