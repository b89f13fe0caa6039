/** The `Output` widget: what it took is in its state, which the page folds from the feed. */

import { DOMWidgetModel, DOMWidgetView, type WidgetView } from "@jupyter-widgets/base";
import { Widget } from "@lumino/widgets";
import { parts, styled } from "../ansi";
import { shown } from "../terminal";

interface Taken {
  readonly output_type?: string;
  readonly name?: string;
  readonly text?: string | readonly string[];
  readonly data?: Readonly<Record<string, unknown>>;
  readonly ename?: string;
  readonly evalue?: string;
  readonly traceback?: readonly string[];
}

export class OutputModel extends DOMWidgetModel {
  override defaults(): ReturnType<DOMWidgetModel["defaults"]> {
    const own = { _model_module: "@jupyter-widgets/output", _model_name: "OutputModel", _view_module: "@jupyter-widgets/output", _view_name: "OutputView" };
    return { ...super.defaults(), ...own, msg_id: "", outputs: [] };
  }
}

export class OutputView extends DOMWidgetView {
  #drawn: { readonly key: string; readonly element: HTMLElement; readonly view: Promise<WidgetView> | null }[] = [];

  override render(): void {
    super.render();
    this.el.classList.add("jupyter-widgets-output-area");
    this.el.setAttribute("role", "group");
    this.el.setAttribute("aria-label", "Output");
    this.listenTo(this.model, "change:outputs", () => this.#draw());
    this.#draw();
  }

  /** What has not changed stays: a plot does not flicker when a line is printed below it. */
  #draw(): void {
    const outputs = (this.model.get("outputs") ?? []) as readonly Taken[];
    const keys = outputs.map((each) => JSON.stringify(each));
    const same = keys.findIndex((key, at) => this.#drawn[at]?.key !== key);
    for (const { element, view } of this.#drawn.splice(same === -1 ? keys.length : same)) {
      void view?.then((each) => each.remove());
      element.remove();
    }
    for (const [at, output] of outputs.entries()) {
      if (at < this.#drawn.length) continue;
      const element = document.createElement("div");
      this.el.append(element);
      this.#drawn.push({ key: keys[at]!, element, view: this.#show(output, element) });
    }
  }

  #show(output: Taken, element: HTMLElement): Promise<WidgetView> | null {
    if (output.output_type === "stream") {
      element.append(terminal(shown(joined(output.text)), output.name === "stderr" ? "stderr" : ""));
      return null;
    }
    if (output.output_type === "error") {
      element.append(terminal((output.traceback ?? []).join("\n") || `${output.ename}: ${output.evalue}`, "stderr"));
      return null;
    }
    const data = output.data ?? {};
    const widget = data["application/vnd.jupyter.widget-view+json"] as { model_id?: string } | undefined;
    if (widget?.model_id !== undefined) return this.#nest(widget.model_id, element);
    const picture = ["image/png", "image/jpeg", "image/gif", "image/webp"].find((type) => typeof data[type] === "string");
    if (picture !== undefined) element.append(image(`data:${picture};base64,${String(data[picture])}`, data));
    else if (data["image/svg+xml"] !== undefined) element.append(image(`data:image/svg+xml,${encodeURIComponent(joined(data["image/svg+xml"]))}`, data));
    else if (data["text/html"] !== undefined) markup(element, joined(data["text/html"]));
    else element.append(terminal(joined(data["text/plain"] ?? data["text/markdown"] ?? data["text/latex"]), ""));
    return null;
  }

  async #nest(id: string, element: HTMLElement): Promise<WidgetView> {
    const manager = this.model.widget_manager;
    const view = await manager.create_view(await manager.get_model(id));
    Widget.attach((view as unknown as { luminoWidget: Widget }).luminoWidget, element);
    return view;
  }
}

function joined(value: unknown): string {
  return Array.isArray(value) ? value.join("") : value === undefined ? "" : String(value);
}

function image(src: string, data: Readonly<Record<string, unknown>>): HTMLElement {
  return Object.assign(document.createElement("img"), { src, alt: joined(data["text/plain"]) || "Image" });
}

function terminal(text: string, kind: string): HTMLElement {
  const pre = document.createElement("pre");
  pre.className = kind;
  for (const { text: part, look } of parts(styled(text)) as readonly { text: string; look: { colour: unknown; bold: boolean } }[]) {
    const span = document.createElement("span");
    span.textContent = part;
    if (look.bold) span.style.fontWeight = "600";
    if (typeof look.colour === "number") span.className = `c${look.colour}`;
    else if (typeof look.colour === "string") span.style.color = `rgb(${look.colour})`;
    pre.append(span);
  }
  return pre;
}

/** Scripts that come with markup do not run by themselves. */
function markup(element: HTMLElement, source: string): void {
  element.innerHTML = source;
  for (const dead of element.querySelectorAll("script")) {
    const script = document.createElement("script");
    script.textContent = dead.textContent;
    dead.replaceWith(script);
  }
}
