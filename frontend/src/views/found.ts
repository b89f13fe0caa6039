/** What is found, marked in the editor: the one that one stands at, and the others. */

import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView } from "@codemirror/view";
import type { Range } from "../finding";

const setFound = StateEffect.define<DecorationSet>();

export const foundField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(found, transaction) {
    for (const effect of transaction.effects) if (effect.is(setFound)) return effect.value;
    return found.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const here = Decoration.mark({ class: "found here" });
const other = Decoration.mark({ class: "found" });

/** @param at the place of the one that one stands at; -1 when it is elsewhere */
export function showFound(view: EditorView, ranges: readonly Range[], at: number): void {
  const { length } = view.state.doc;
  const marks = ranges.filter(([, to]) => to <= length).map(([from, to], place) => (place === at ? here : other).range(from, to));
  if (marks.length > 0 || view.state.field(foundField, false)?.size) view.dispatch({ effects: setFound.of(Decoration.set(marks, true)) });
}
