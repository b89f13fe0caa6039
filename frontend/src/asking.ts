/** Says who answered what running code asked: whoever was about to answer must not wonder. */

import { displayName, may } from "./notebook";
import { type Asked, answeredBy, promptsOf } from "./prompts";
import type { AccountName } from "./protocol";
import type { State } from "./state";
import type { Store } from "./store";

export class Asking {
  #open: readonly Asked[] = [];
  #worksheet: string | null = null;

  constructor(store: Store<State>, notify: (text: string) => void) {
    store.watch(({ notebook }) => {
      const before = this.#worksheet === notebook?.worksheet.id ? this.#open : [];
      this.#worksheet = notebook?.worksheet.id ?? null;
      if (notebook === null) return;
      this.#open = promptsOf(notebook);
      if (!may(notebook.worksheet.role, "answer")) return;
      for (const asked of before) {
        if (this.#open.some(({ prompt }) => prompt === asked.prompt)) continue;
        const by = answeredBy(notebook, asked);
        if (by === "" || by === notebook.me) continue;
        const place = notebook.cells.findIndex(({ id }) => id === asked.cell) + 1;
        notify(`${displayName(notebook, by as AccountName)} answered what ${place === 0 ? "code beside the cells" : `cell ${place}`} asked.`);
      }
    });
  }
}
