/** Everything that a person can do on the page: the one table. Add a command to `cells.ts`, `page.ts` or a module beside them. */

import { CELL_COMMANDS } from "./cells";
import { COMMENT_COMMANDS } from "./comments";
import { type Command, type Context, isPossible } from "./command";
import { MANY_COMMANDS } from "./many";
import { PAGE_COMMANDS, personCommands } from "./page";

export const COMMANDS: readonly Command[] = [...CELL_COMMANDS, ...MANY_COMMANDS, ...COMMENT_COMMANDS, ...PAGE_COMMANDS];

const BY_ID: ReadonlyMap<string, Command> = new Map(COMMANDS.map((command) => [command.id, command]));

/** @throws Error when there is none: the name is written wrong */
export function command(id: string): Command {
  const found = BY_ID.get(id);
  if (found === undefined) throw new Error(`There is no command ${id}`);
  return found;
}

/** Those that can be given now. */
export function possibleCommands(context: Context): readonly Command[] {
  return [...COMMANDS, ...personCommands(context)].filter((one) => isPossible(one, context));
}
