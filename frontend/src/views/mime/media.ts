/** Pictures, sound, film, and files that are only handed on. */

import { html, nothing } from "lit-html";
import { urlOf } from "../../blobs";
import { type Drawing, type Drawn, metadataOf, textOf } from "./drawing";

/** As an image even an SVG neither runs scripts nor loads anything. */
export function image(drawing: Drawing): Drawn {
  const { width, height, alt } = metadataOf(drawing);
  const said = typeof alt === "string" && alt !== "" ? alt : altOf(textOf(drawing.output.data["text/plain"]));
  const size = (value: unknown) => (typeof value === "number" && value > 0 ? value : nothing);
  return html`<img alt=${said} src=${urlOf(drawing.source, drawing.type)} width=${size(width)} height=${size(height)} loading="lazy" decoding="async" />`;
}

/** What Python prints in the place of a picture is its best description, but not where in memory it lies. */
function altOf(text: string): string {
  const bare = text.trim().replace(/^<(.*)>$/s, "$1").replace(/ at 0x[0-9a-f]+/i, "");
  return bare === "" ? "Image" : bare.slice(0, 300);
}

export function video({ type, source }: Drawing): Drawn {
  return html`<video controls preload="metadata" aria-label="Video" src=${urlOf(source, type)}></video>`;
}

export function audio({ type, source }: Drawing): Drawn {
  return html`<audio controls preload="metadata" aria-label="Sound" src=${urlOf(source, type)}></audio>`;
}

/** A document that the browser shows with scripts of its own is not shown in the page: it is handed on. */
export function handedOn({ type, source }: Drawing): Drawn {
  const words = type === "application/pdf" ? "PDF document" : type;
  const size = source.kind === "blob" ? `, ${sizeOf(source.bytes)}` : "";
  return html`<p class="quiet">${words}${size}. <a download=${`output.${type.split("/")[1]}`} href=${urlOf(source, type)}>Download</a></p>`;
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1000)).toLocaleString()} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
