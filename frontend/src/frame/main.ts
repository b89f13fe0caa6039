/** What runs in a frame that shows a widget: the talk with the page, see `views/widgets.ts` for its words. */

import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import baseStyle from "@jupyter-widgets/base/css/index.css?inline";
import variables from "@jupyter-widgets/controls/css/labvariables.css?inline";
import controlsStyle from "@jupyter-widgets/controls/css/widgets-base.css?inline";
import luminoStyle from "@lumino/widgets/style/index.css?inline";
import ours from "./frame.css?inline";
import { type Described, Manager } from "./manager";
import { keepNamed } from "./names";

/** What `frame.html` hands to a script of ours. */
interface Host {
  readonly element: HTMLElement;
  tell(message: object): void;
  heard: (message: ToFrame) => void;
}

type ToFrame =
  | { readonly what: "begin"; readonly root: string; readonly models: Readonly<Record<string, Described>>; readonly live: boolean; readonly fallback: string }
  | { readonly what: "open"; readonly models: Readonly<Record<string, Described>> }
  | { readonly what: "update"; readonly model: string; readonly described: Described }
  | { readonly what: "custom"; readonly model: string; readonly content: unknown; readonly buffers: readonly ArrayBuffer[] }
  | { readonly what: "close"; readonly model: string }
  | { readonly what: "handled"; readonly id: string }
  | { readonly what: "live"; readonly live: boolean };

const host = (globalThis as unknown as { antiphonHost: Host }).antiphonHost;
const style = document.createElement("style");
style.textContent = [variables, luminoStyle, baseStyle, controlsStyle, ours].join("\n");
document.head.append(style);

const manager = new Manager((comm, data, buffers, id) => host.tell({ what: "send", comm, data, buffers, id }));

async function begin(root: string, fallback: string): Promise<void> {
  const place = document.createElement("div");
  place.className = "widget-place";
  host.element.append(place);
  try {
    const view = await manager.create_view(await manager.get_model(root));
    const { luminoWidget } = view as unknown as { luminoWidget: Widget };
    Widget.attach(luminoWidget, place);
    addEventListener("resize", () => MessageLoop.postMessage(luminoWidget, Widget.ResizeMessage.UnknownSize));
  } catch (error) {
    const why = document.createElement("p");
    why.className = "why";
    why.setAttribute("role", "note");
    why.textContent = error instanceof Error ? error.message : String(error);
    const text = document.createElement("pre");
    text.textContent = fallback;
    place.replaceChildren(why, ...(fallback === "" ? [] : [text]));
  }
}

/** One after the other: an update may speak of a widget that was opened before it. */
let turn: Promise<unknown> = Promise.resolve();

host.heard = (message) => {
  turn = turn.then(() => take(message)).catch((error: unknown) => console.error(error));
};

async function take(message: ToFrame): Promise<void> {
  switch (message.what) {
    case "begin":
      await manager.setLive(message.live);
      await manager.open(message.models);
      return begin(message.root, message.fallback);
    case "open":
      return manager.open(message.models);
    case "update":
      return manager.update(message.model, message.described);
    case "custom":
      return manager.custom(message.model, message.content, message.buffers);
    case "close":
      return manager.close(message.model);
    case "handled":
      return manager.handled(message.id);
    case "live":
      return manager.setLive(message.live);
  }
}

keepNamed(host.element);
host.tell({ what: "ready" });
