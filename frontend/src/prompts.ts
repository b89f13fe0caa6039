/** What running code asks for, of whom anybody may answer who has the right. Pure. */

import type { Notebook } from "./notebook";
import type { PromptOutput } from "./outputs";
import { overviewOf } from "./overview";
import type { CellId, MessageId } from "./protocol";

export interface Asked {
  /** Null for code beside the cells. */
  readonly cell: CellId | null;
  readonly run: MessageId;
  readonly prompt: MessageId;
  readonly text: string;
  readonly password: boolean;
}

/** The open ones. Only what runs can ask, so that few answers are looked at. */
export function promptsOf(notebook: Notebook): readonly Asked[] {
  const { open, beside } = overviewOf(notebook);
  const runs = [
    ...open.flatMap((cell) => {
      const run = notebook.runs.get(cell);
      return run === undefined ? [] : [{ cell, run: run.msg_id }];
    }),
    ...beside.map((run) => ({ cell: null, run })),
  ];
  return runs.flatMap(({ cell, run }) =>
    promptsIn(notebook, run)
      .filter(({ open }) => open)
      .map(({ prompt, text, password }) => ({ cell, run, prompt, text, password })),
  );
}

/** Who answered a prompt; empty if nobody did, or has yet. */
export function answeredBy(notebook: Notebook, { run, prompt }: Asked): string {
  return promptsIn(notebook, run).find((other) => other.prompt === prompt)?.answeredBy ?? "";
}

function promptsIn(notebook: Notebook, run: MessageId): readonly PromptOutput[] {
  return (notebook.answers.get(run)?.outputs ?? []).filter((output) => output.kind === "prompt");
}
