/** An output as a file. */

import { type Source, valueOf } from "../../blobs";
import { textOf } from "./drawing";

/** Types whose text is not base64 although they are no `text/…`. Source: nbformat 4, *mimebundle*. */
const TEXTUAL = /^text\/|^image\/svg\+xml$|[/+](?:json|javascript|xml|ecmascript)$/;

/**
 * The bytes of a form.
 *
 * @throws Error with a sentence, when the server does not give it or it is no base64
 */
export async function fileOf(type: string, source: Source): Promise<Blob> {
  const text = textOf(await valueOnce(source));
  if (TEXTUAL.test(type)) return new Blob([text], { type: `${type};charset=utf-8` });
  try {
    const bytes = Uint8Array.from(atob(text.replace(/\s/g, "")), (character) => character.charCodeAt(0));
    return new Blob([bytes], { type });
  } catch {
    throw new Error("This output is damaged: its base64 cannot be read.");
  }
}

export async function valueOnce(source: Source): Promise<unknown> {
  const known = valueOf(source);
  return known instanceof Promise ? known : known.value;
}
