/**
 * `<output-frame>`: HTML and scripts from cells, in a sandboxed document of another origin.
 *
 * What comes out of the frame is hostile: of its messages only a height is taken, within bounds.
 */

import { type Library, load } from "./mime/libraries";
import serif from "@fontsource-variable/newsreader/files/newsreader-latin-wght-normal.woff2?url";

/** The page's letters, for the frame cannot fetch them: it has no network. Null when they cannot be had. */
let font: Promise<ArrayBuffer | null> | null = null;

function pageFont(): Promise<ArrayBuffer | null> {
  font ??= fetch(serif).then(
    (response) => (response.ok ? response.arrayBuffer() : null),
    () => null,
  );
  return font;
}

/** CSS pixels. A frame that asks for more scrolls. */
const TALLEST = 4000;

/** The height of a frame with nothing in it: its padding. */
const EMPTY = 4;

/** How often a frame may become smaller. One that goes up and down without end would keep what is below it from the pointer. */
const SHRINKS = 30;

/** Messages in one second. Honest output sends one for each change of its height; a flood would starve the page. */
const MESSAGES = 500;

export interface FrameContent {
  readonly html: string | null;
  readonly script: string | null;
  /** What the script needs. It is handed in, for the frame has no network. */
  readonly libraries: readonly Library[];
}

/** Who talks with what runs in the frame, beside showing it once. */
export interface Guest {
  /** What came from the frame, not looked at yet. */
  heard(message: unknown): void;
  /** The frame is gone; another may follow. */
  left(): void;
}

export class OutputFrame extends HTMLElement {
  #content: FrameContent | null = null;
  #dark = false;
  #frame: HTMLIFrameElement | null = null;
  #nonce = "";
  #height: number | null = null;
  #shrinks = 0;
  #second = 0;
  #messages = 0;
  /** Set before the content. */
  guest: Guest | null = null;

  set content(content: FrameContent) {
    const same = this.#content?.html === content.html && this.#content.script === content.script;
    this.#content = content;
    if (!same && this.isConnected) this.#load();
  }

  set dark(dark: boolean) {
    if (dark === this.#dark) return;
    this.#dark = dark;
    if (this.#frame !== null) this.#frame.style.colorScheme = dark ? "dark" : "light";
    this.#tell({ type: "theme", dark });
  }

  connectedCallback(): void {
    window.addEventListener("message", this.#heard);
    this.#load();
  }

  disconnectedCallback(): void {
    window.removeEventListener("message", this.#heard);
    this.#frame?.remove();
    this.#frame = null;
    this.guest?.left();
  }

  /** Speak to what runs in the frame. */
  say(message: object): void {
    this.#tell({ type: "widgets", message });
  }

  /** The keys go there now, so a person is at work in it. */
  get focused(): boolean {
    return this.#frame !== null && document.activeElement === this.#frame;
  }

  #load(): void {
    this.guest?.left();
    this.#nonce = crypto.randomUUID();
    this.#shrinks = 0;
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.title = "Output";
    frame.loading = "lazy";
    frame.src = `/frame.html#${this.#nonce}`;
    frame.style.height = "40px";
    // A frame whose colour scheme differs from its page's is painted on an opaque ground.
    frame.style.colorScheme = this.#dark ? "dark" : "light";
    this.replaceChildren(frame);
    this.#frame = frame;
  }

  readonly #heard = ({ source, data }: MessageEvent<unknown>): void => {
    if (this.#frame === null || source !== this.#frame.contentWindow) return;
    if (this.#floods()) return this.#end("This output sent more messages than a page can take, and was ended.");
    if (typeof data !== "object" || data === null) return;
    const message = data as Record<string, unknown>;
    if (message["antiphon"] !== this.#nonce) return;
    if (message["type"] === "ready") {
      void this.#show(this.#nonce);
      void pageFont().then((letters) => letters !== null && this.#tell({ type: "font", letters }));
    }
    if (message["type"] === "widgets") this.guest?.heard(message["message"]);
    const height = message["height"];
    if (message["type"] === "height" && typeof height === "number" && height >= 0) this.#resize(Math.min(TALLEST, Math.ceil(height)));
  };

  async #show(nonce: string): Promise<void> {
    const content = this.#content;
    if (content === null) return;
    try {
      const libraries = await load(content.libraries);
      if (nonce === this.#nonce) this.#tell({ type: "show", ...content, libraries, dark: this.#dark });
    } catch {
      if (nonce === this.#nonce) this.#end("What draws this output could not be loaded. Reload the page to try again.");
    }
  }

  #floods(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) [this.#second, this.#messages] = [second, 0];
    return ++this.#messages > MESSAGES;
  }

  #end(why: string): void {
    const note = document.createElement("p");
    note.className = "quiet";
    note.textContent = why;
    this.replaceChildren(note);
    this.#frame = null;
  }

  /** Once a drawing at the most, however often the frame asks. */
  #resize(height: number): void {
    const waiting = this.#height !== null;
    this.#height = height;
    if (waiting) return;
    requestAnimationFrame(() => {
      const [frame, next] = [this.#frame, this.#height ?? 0];
      this.#height = null;
      if (frame === null) return;
      const smaller = next < frame.clientHeight;
      if (smaller && ++this.#shrinks > SHRINKS) return;
      frame.style.height = `${next}px`;
      // A script that only prepares something leaves no gap.
      this.toggleAttribute("data-empty", next <= EMPTY);
    });
  }

  #tell(message: Readonly<Record<string, unknown>>): void {
    // The frame's origin is opaque, so it cannot be named; what is sent is the frame's own content.
    this.#frame?.contentWindow?.postMessage({ antiphon: this.#nonce, ...message }, "*");
  }
}

customElements.define("output-frame", OutputFrame);
