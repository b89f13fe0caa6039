/** What the drawing of one output is given. */

import { html, type nothing, type TemplateResult } from "lit-html";
import { until } from "lit-html/directives/until.js";
import { type Source, valueOf } from "../../blobs";
import type { Answer, DisplayOutput } from "../../outputs";
import type { MessageId, SessionUid } from "../../protocol";
import type { OutputLook } from "../../state";

export type Drawn = TemplateResult | typeof nothing;

export interface OutputActions {
  look(key: string, change: Partial<OutputLook>): void;
  answer(prompt: MessageId, value: string): Promise<unknown>;
  /** Ask the server for what is left out. @returns what is here then */
  loadWhole(msgId: MessageId): Promise<Answer | null>;
  notify(text: string, wrong?: boolean): void;
}

export interface OutputsView {
  readonly msgId: MessageId;
  readonly answer: Answer;
  readonly dark: boolean;
  readonly mayAnswer: boolean;
  /** The name to show for an account. */
  nameOf(account: string): string;
  /** How this viewer looks at outputs, by msg_id and key. */
  readonly looks: ReadonlyMap<string, OutputLook>;
  /** The name of the cell, for what is said of its outputs. */
  readonly cell: string;
  readonly widgets: WidgetsView;
  /** Somebody else made them, and this reader has not let their code run: who, and what lets it. Null when it may. */
  readonly inert: { readonly by: string; show(): void } | null;
  readonly actions: OutputActions;
}

/** What this viewer may do with the widgets among the outputs. */
export interface WidgetsView {
  readonly session: SessionUid;
  readonly known: (model: string) => boolean;
  /** Why they cannot be moved, as a sentence; empty when they can. */
  readonly fixed: string;
}

/** One display in one of its forms. */
export interface Drawing {
  readonly type: string;
  readonly source: Source;
  readonly output: DisplayOutput;
  /** The name of the output in the looks. */
  readonly key: string;
  readonly view: OutputsView;
}

/** The same with the value itself. */
export interface Valued extends Drawing {
  readonly data: unknown;
}

/** What is drawn of a value that may have to be fetched. */
export function whenHere(source: Source, draw: (value: unknown) => Drawn): Drawn {
  const known = valueOf(source);
  if (!(known instanceof Promise)) return draw(known.value);
  const drawn = known.then(draw, (error: Error) => html`<p class="quiet">${error.message}</p>`);
  return html`${until(drawn, html`<p class="quiet">Loading</p>`)}`;
}

/** Jupyter allows a text to be a list of its lines. Source: nbformat 4, *display_data*. */
export function textOf(data: unknown): string {
  if (typeof data === "string") return data;
  if (Array.isArray(data) && data.every((line) => typeof line === "string")) return data.join("");
  return data === undefined || data === null ? "" : JSON.stringify(data, null, 2);
}

/** What is told of a form beside it, such as its size. */
export function metadataOf({ output, type }: Drawing): Readonly<Record<string, unknown>> {
  const own = output.metadata[type];
  return typeof own === "object" && own !== null ? (own as Record<string, unknown>) : {};
}
