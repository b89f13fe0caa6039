/** Cells on their way from one worksheet to another, and as what they travel. Pure. */

import type { Cell, CellType, Metadata } from "./protocol";

/** A cell without its place and its history. */
export interface Clip {
  readonly type: CellType;
  readonly source: string;
  readonly metadata: Metadata;
}

/** The type under which cells lie on the clipboard of the system, beside plain text. */
export const CLIP_TYPE = "application/x-antiphon-cells+json";

const VERSION = 1;

/** More than this is not taken from a clipboard, in UTF-16 units; what is written in one worksheet is less. */
const LONGEST = 50_000_000;

export function clipOf(cell: Cell, text: string): Clip {
  return { type: cell.type, source: text, metadata: cell.metadata };
}

/** The cells as text, for every other program. */
export function plainText(clips: readonly Clip[]): string {
  return clips.map(({ source }) => source.replace(/\n+$/, "")).join("\n\n");
}

export function encodeClips(clips: readonly Clip[]): string {
  return JSON.stringify({ antiphon: VERSION, cells: clips });
}

/** What was copied as cells; null when it is something else. A page of another site may have written it: it must have the shape. */
export function decodeClips(text: string): readonly Clip[] | null {
  if (text === "" || text.length > LONGEST) return null;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  const { antiphon, cells } = (found ?? {}) as { antiphon?: unknown; cells?: unknown };
  if (antiphon !== VERSION || !Array.isArray(cells) || cells.length === 0) return null;
  const clips: Clip[] = [];
  for (const one of cells as readonly Partial<Clip>[]) {
    const known = one?.type === "code" || one?.type === "markdown";
    if (!known || typeof one.source !== "string") return null;
    const metadata = typeof one.metadata === "object" && one.metadata !== null && !Array.isArray(one.metadata) ? one.metadata : {};
    clips.push({ type: one.type!, source: one.source, metadata });
  }
  return clips;
}

/** What plain text becomes: one cell of code; null when there is nothing in it. */
export function clipsOfText(text: string): readonly Clip[] | null {
  const source = text.replace(/\r\n?/g, "\n").replace(/^\n+|\s+$/g, "");
  return source === "" ? null : [{ type: "code", source, metadata: {} }];
}

/** What two cells say of themselves, as one: the first word counts, tags and attachments are of both. */
export function mergedMetadata(metadata: readonly Metadata[]): Metadata {
  const result: Record<string, unknown> = {};
  for (const one of metadata)
    for (const [name, value] of Object.entries(one)) {
      const had = result[name];
      if (name === "tags" && Array.isArray(had) && Array.isArray(value)) result[name] = [...new Set([...had, ...value])];
      else if (name === "attachments" && had && value) result[name] = { ...value, ...had };
      else if (had === undefined) result[name] = value;
    }
  return result;
}
