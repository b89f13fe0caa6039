/** Whose outputs wait for this reader's leave. Pure; `views/trust.ts` looks closer, at which of them would run code. */

import type { Notebook } from "./notebook";
import type { Answer } from "./outputs";
import type { AccountName } from "./protocol";

/** @param looks which answers count */
export function untrusted({ answers, me }: Notebook, trusted: ReadonlySet<AccountName>, looks: (answer: Answer) => boolean = shows): readonly AccountName[] {
  const found = new Set<AccountName>();
  for (const answer of answers.values()) {
    const author = answer.username as AccountName;
    if (author !== me && !trusted.has(author) && !found.has(author) && looks(answer)) found.add(author);
  }
  return [...found];
}

function shows({ outputs }: Answer): boolean {
  return outputs.some(({ kind }) => kind === "display");
}
