/**
 * Where the data of a display is: in it, or at an address of the server.
 *
 * What is binary or large is a blob there, by its SHA-256; its address never gives anything else.
 */

import type { Blob, MimeBundle } from "./protocol";

/** One value of a display: inline as it stands in JSON, or to be had at `url`. */
export type Source =
  | { readonly kind: "inline"; readonly value: unknown }
  | { readonly kind: "blob"; readonly url: string; readonly bytes: number; readonly form: Blob["form"] };

/** Data in several representations, by MIME type, with what was taken out of it. */
export interface Bundle {
  readonly data: MimeBundle;
  readonly blobs: Readonly<Record<string, Blob>>;
}

/** Where the value of this MIME type is; null when there is none. */
export function sourceOf({ data, blobs }: Bundle, type: string): Source | null {
  const blob = blobs[type];
  if (blob !== undefined) return { kind: "blob", url: `/blob/${blob.digest}/${blob.type}`, bytes: blob.bytes, form: blob.form };
  const value = data[type];
  return value === undefined || value === null ? null : { kind: "inline", value };
}

/** Every MIME type that there is a value of. */
export function typesOf({ data, blobs }: Bundle): readonly string[] {
  return [...Object.keys(data), ...Object.keys(blobs)];
}

/** An address for `src`: the server's, or one that holds the data, which is base64, or text for an SVG. */
export function urlOf(source: Source, type: string): string {
  if (source.kind === "blob") return source.url;
  const text = Array.isArray(source.value) ? source.value.join("") : String(source.value);
  if (type === "image/svg+xml") return `data:${type};charset=utf-8,${encodeURIComponent(text)}`;
  return `data:${type};base64,${text.replace(/\s/g, "")}`;
}

/** Values that were fetched, by address: the newest few, for what is drawn again and again. */
const KEPT = 32;
const loaded = new Map<string, { readonly value: unknown } | Promise<unknown>>();

/**
 * The value as it stands in JSON: at once if it is here, otherwise as a promise.
 *
 * The promise fails with a sentence when the server does not give it; the next call asks again.
 */
export function valueOf(source: Source): { readonly value: unknown } | Promise<unknown> {
  if (source.kind === "inline") return source;
  const known = loaded.get(source.url);
  if (known !== undefined) return known;
  const loading = load(source).then(
    (value) => {
      loaded.set(source.url, { value });
      return value;
    },
    (error) => {
      loaded.delete(source.url);
      throw error;
    },
  );
  for (const url of [...loaded.keys()].slice(0, Math.max(0, loaded.size - KEPT + 1))) loaded.delete(url);
  loaded.set(source.url, loading);
  return loading;
}

async function load({ url, form }: Extract<Source, { kind: "blob" }>): Promise<unknown> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The server does not give this output (${response.status}).`);
  if (form === "json") return response.json();
  if (form === "text") return response.text();
  const bytes = new Uint8Array(await response.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
