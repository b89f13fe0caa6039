/** The one state, and who wants to know that it was replaced. */

export class Store<State> {
  #state: State;
  readonly #watchers = new Set<(state: State) => void>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Replace the state; watchers hear of it unless it is the same. */
  update(change: (state: State) => State): void {
    const next = change(this.#state);
    if (next === this.#state) return;
    this.#state = next;
    for (const watcher of this.#watchers) watcher(next);
  }

  /** Replace some fields. */
  set(fields: Partial<State>): void {
    this.update((state) => ({ ...state, ...fields }));
  }

  /** @returns what ends the watching */
  watch(watcher: (state: State) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
