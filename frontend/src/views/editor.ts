/**
 * `<cell-editor>`: CodeMirror, for the one cell that is being edited.
 *
 * An editor costs some 8 ms, so there is one; every other cell is `<code-text>`. What is typed goes
 * to the state as a change; a text that differs from the editor's comes from somebody else and goes
 * in as a change, so that the cursor stays where it was.
 */

import { closeCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, insertTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, defineLanguageFacet, indentOnInput, indentUnit, Language, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches } from "@codemirror/search";
import { Annotation, type ChangeSet, Compartment, EditorState, type Extension, Prec, StateEffect, StateField, Transaction } from "@codemirror/state";
import { Decoration, type DecorationSet, drawSelection, EditorView, highlightSpecialChars, keymap, lineNumbers, WidgetType } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { parser as markdownParser } from "@lezer/markdown";
import { difference } from "../draft";
import type { ShownCaret } from "../notebook";
import type { CellId, CellType } from "../protocol";
import type { ShownRange } from "../threads";
import { HIDDEN } from "./code";
import { commented, showRanges } from "./commented";
import { askFor, completing, type CompletingHost, isListed, isWanted, settle, take } from "./completing";
import { foundField } from "./found";
import { closeInspector, inspectHere, inspector, scrollInspector } from "./inspector";
import type { Selection } from "./places";
import { hue } from "./words";

/** What an editor needs from the page. */
export interface EditorHost extends CompletingHost {
  typed(cell: CellId, change: ChangeSet): void;
  /** The selection is there, in UTF-16 units. */
  moved(cell: CellId, anchor: number, head: number): void;
  /** A key that may mean a command. @returns whether it did */
  pressed(event: KeyboardEvent): boolean;
  /** Back to command mode. */
  leave(cell: CellId): void;
  /** The cursor left the text at the top or at the bottom. */
  step(by: 1 | -1): void;
}

/** What is being edited. */
export interface Editing {
  readonly cell: CellId;
  readonly type: CellType;
  readonly text: string;
  readonly label: string;
  readonly host: EditorHost;
  /** What to select first; null leaves it as it was. */
  readonly selection: Selection | null;
  readonly carets: readonly ShownCaret[];
  /** What comments are about. */
  readonly ranges: readonly ShownRange[];
}

const fromElsewhere = Annotation.define<true>();
const language = new Compartment();

/** The parser alone: CodeMirror's own package would bring HTML, CSS and JavaScript along. */
const markdown = new Language(defineLanguageFacet(), markdownParser, [], "markdown");

const setCarets = StateEffect.define<readonly ShownCaret[]>();

/** Somebody else's caret, with a flag that bears the name. */
class CaretWidget extends WidgetType {
  constructor(private readonly caret: ShownCaret) {
    super();
  }

  override eq(other: CaretWidget): boolean {
    return other.caret.window === this.caret.window && other.caret.name === this.caret.name;
  }

  override toDOM(): HTMLElement {
    const mark = document.createElement("span");
    mark.className = "caret";
    mark.dataset["hue"] = String(hue(this.caret.account));
    mark.dataset["account"] = this.caret.account;
    mark.setAttribute("aria-hidden", "true");
    mark.append(Object.assign(document.createElement("span"), { className: "flag", textContent: this.caret.name }));
    return mark;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

/** The carets of the others; between two tellings they move with the text. */
const caretField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(carets, transaction) {
    let next = carets.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setCarets)) next = drawn(effect.value, transaction.newDoc.length);
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function drawn(carets: readonly ShownCaret[], length: number): DecorationSet {
  const marks = carets.flatMap((caret) => {
    const [anchor, head] = [Math.min(caret.anchor, length), Math.min(caret.head, length)];
    const flag = Decoration.widget({ widget: new CaretWidget(caret), side: 1 }).range(head);
    if (anchor === head) return [flag];
    const range = Decoration.mark({ class: "caret-range", attributes: { "data-hue": String(hue(caret.account)) } });
    return [range.range(Math.min(anchor, head), Math.max(anchor, head)), flag];
  });
  return Decoration.set(marks, true);
}

/** Undo histories of this window's cells, the newest last. */
const kept = new Map<CellId, { readonly state: EditorState; readonly type: CellType }>();
const KEPT = 50;

export class CellEditor extends HTMLElement {
  #editing: Editing | null = null;
  #view: EditorView | null = null;

  set editing(editing: Editing) {
    const before = this.#editing;
    this.#editing = editing;
    if (this.#view === null) return;
    if (before?.cell !== editing.cell) {
      this.#close(before);
      this.#open(editing);
      return;
    }
    if (before.type !== editing.type) this.#view.dispatch({ effects: language.reconfigure(languageOf(editing)) });
    this.#sync(editing.text);
    this.#show(editing.carets);
    showRanges(this.#view, editing.ranges);
  }

  connectedCallback(): void {
    if (this.#editing !== null) this.#open(this.#editing);
  }

  disconnectedCallback(): void {
    this.#close(this.#editing);
  }

  override focus(): void {
    this.#view?.focus();
  }

  /** As if it were typed. */
  write(text: string): void {
    const view = this.#view;
    if (view !== null) view.dispatch(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
  }

  #open(editing: Editing): void {
    const old = kept.get(editing.cell);
    const state =
      old?.type === editing.type
        ? old.state
        : EditorState.create({ doc: editing.text, extensions: this.#extensions(editing) });
    this.#view = new EditorView({ state, parent: this, dispatchTransactions: (transactions, view) => this.#dispatched(transactions, view) });
    this.#sync(editing.text);
    if (editing.selection !== null) {
      const { length } = this.#view.state.doc;
      const [anchor, head] = [Math.min(editing.selection.anchor, length), Math.min(editing.selection.head, length)];
      this.#view.dispatch({ selection: { anchor, head } });
    }
    this.#view.focus();
    this.#show(editing.carets);
    showRanges(this.#view, editing.ranges);
    this.#tellPlace(this.#view);
  }

  #show(carets: readonly ShownCaret[]): void {
    const view = this.#view;
    // Undrawn ones are none: most of the time there is nobody.
    if (view !== null && (carets.length > 0 || view.state.field(caretField).size > 0)) view.dispatch({ effects: setCarets.of(carets) });
  }

  #tellPlace(view: EditorView): void {
    const { anchor, head } = view.state.selection.main;
    if (this.#editing !== null) this.#editing.host.moved(this.#editing.cell, anchor, head);
  }

  #close(editing: Editing | null): void {
    const view = this.#view;
    this.#view = null;
    if (view === null) return;
    if (editing !== null) {
      kept.delete(editing.cell);
      kept.set(editing.cell, { state: view.state, type: editing.type });
      for (const oldest of [...kept.keys()].slice(0, -KEPT)) kept.delete(oldest);
    }
    view.destroy();
  }

  #sync(text: string): void {
    const view = this.#view;
    if (view === null) return;
    const now = view.state.doc.toString();
    if (now === text) return;
    view.dispatch({
      changes: difference(now, text),
      annotations: [fromElsewhere.of(true), Transaction.addToHistory.of(false)],
    });
  }

  #dispatched(transactions: readonly Transaction[], view: EditorView): void {
    view.update(transactions);
    settle(view);
    for (const transaction of transactions)
      if (transaction.docChanged && !transaction.annotation(fromElsewhere) && this.#editing !== null)
        this.#editing.host.typed(this.#editing.cell, transaction.changes);
    if (transactions.some(({ docChanged, selection }) => docChanged || selection !== undefined)) this.#tellPlace(view);
  }

  /** The newest host: a kept state lives longer than the element that made its extensions. */
  #extensions(first: Editing): Extension {
    const { cell, host } = first;
    const at = (view: EditorView) => view.state.selection.main.head;
    const keys = Prec.high(
      keymap.of([
        {
          key: "Escape",
          run: (view) => {
            if (closeInspector(view)) return true;
            // A list that came by itself does not keep anybody here.
            if (isWanted(view)) return false;
            closeCompletion(view);
            host.leave(cell);
            return true;
          },
        },
        {
          key: "Tab",
          run: (view) => {
            if (take(view)) return true;
            const { from, empty } = view.state.selection.main;
            const before = view.state.sliceDoc(Math.max(0, from - 1), from);
            if (empty && /[\w.)\]'"/]/.test(before)) return askFor(view);
            if (empty) {
              const column = from - view.state.doc.lineAt(from).from;
              view.dispatch(view.state.replaceSelection(" ".repeat(4 - (column % 4))));
              return true;
            }
            return insertTab(view);
          },
        },
        {
          key: "Shift-Tab",
          run: (view) => {
            const { from, empty } = view.state.selection.main;
            const line = view.state.doc.lineAt(from);
            if (!empty || /^\s*$/.test(view.state.sliceDoc(line.from, from))) return indentLess(view);
            void inspectHere(view, host.inspect);
            return true;
          },
        },
        { key: "Enter", run: (view) => isWanted(view) && take(view) },
        { key: "PageDown", run: (view) => scrollInspector(view, 1) },
        { key: "PageUp", run: (view) => scrollInspector(view, -1) },
        {
          key: "ArrowUp",
          run: (view) => {
            if (view.state.doc.lineAt(at(view)).number > 1 || isListed(view)) return false;
            if (at(view) !== 0) return false;
            host.step(-1);
            return true;
          },
        },
        {
          key: "ArrowDown",
          run: (view) => {
            if (at(view) !== view.state.doc.length || isListed(view)) return false;
            host.step(1);
            return true;
          },
        },
      ]),
    );
    return [
      Prec.highest(EditorView.domEventHandlers({ keydown: (event) => host.pressed(event) })),
      keys,
      EditorState.lineSeparator.of("\n"),
      history(),
      drawSelection(),
      caretField,
      commented,
      foundField,
      highlightSpecialChars({ specialChars: HIDDEN }),
      indentOnInput(),
      bracketMatching(),
      highlightSelectionMatches(),
      indentUnit.of("    "),
      EditorState.tabSize.of(4),
      EditorView.lineWrapping,
      syntaxHighlighting({ style: classHighlighter.style }),
      language.of(languageOf(first)),
      EditorView.contentAttributes.of({ "aria-label": first.label, spellcheck: first.type === "markdown" ? "true" : "false", autocapitalize: "off" }),
      completing(host),
      inspector,
      keymap.of([...defaultKeymap, ...historyKeymap]),
    ];
  }
}

function languageOf({ type }: Editing): Extension {
  return type === "code" ? [python().language, lineNumbers()] : markdown;
}

customElements.define("cell-editor", CellEditor);
