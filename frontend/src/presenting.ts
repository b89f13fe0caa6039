/** Showing a worksheet to people: slide after slide, or in one flow. */

import type { State } from "./state";
import { ends, moved, type SlidePlace, slidesOf } from "./slides";
import type { Store } from "./store";

export class Presenting {
  constructor(private readonly store: Store<State>) {}

  /** Begin at the slide of the current cell. */
  begin(): void {
    const { notebook, current } = this.store.state;
    if (notebook === null) return;
    this.store.set({ presenting: { place: { cell: current, step: 0 }, flow: false, code: true }, editing: false, dialog: null });
  }

  /** Go back to the worksheet, to the cell of the slide. */
  end(): void {
    const { presenting, notebook, current } = this.store.state;
    const cell = presenting?.flow === false && notebook?.cells.some(({ id }) => id === presenting.place.cell) ? presenting.place.cell : current;
    this.store.set({ presenting: null, current: cell, reveal: { cell } });
  }

  step(by: 1 | -1): void {
    this.#go((slides, place) => moved(slides, place, by));
  }

  toEnd(end: "first" | "last"): void {
    this.#go((slides) => ends(slides, end));
  }

  #go(to: (slides: ReturnType<typeof slidesOf>, place: SlidePlace) => SlidePlace): void {
    this.store.update((state) => {
      const { presenting, notebook } = state;
      if (presenting === null || notebook === null || presenting.flow) return state;
      return { ...state, presenting: { ...presenting, place: to(slidesOf(notebook.cells), presenting.place) } };
    });
  }

  look(change: { readonly flow?: boolean; readonly code?: boolean }): void {
    this.store.update((state) => (state.presenting === null ? state : { ...state, presenting: { ...state.presenting, ...change } }));
  }
}
