/** What this browser remembers of a person's choices: how the page looks, and nothing of what is written in it. */

import { type Preferences, START, type State } from "../state";

const KEY = "antiphon.preferences";
/** Where the theme stood before there were others. */
const THEME_KEY = "antiphon.theme";

export function storedPreferences(): Preferences {
  const { theme, pane, lineNumbers, bell } = { ...of(START), ...read() };
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    pane: pane === "outline" || pane === "variables" || pane === "comments" ? pane : null,
    lineNumbers: lineNumbers === true,
    bell: bell === "on" || bell === "off" ? bell : "ask",
  };
}

export function storePreferences(state: State): void {
  localStorage.setItem(KEY, JSON.stringify(of(state)));
}

export function sameChoice(a: State, b: State): boolean {
  return a.theme === b.theme && a.pane === b.pane && a.lineNumbers === b.lineNumbers && a.bell === b.bell;
}

function of({ theme, pane, lineNumbers, bell }: Preferences): Preferences {
  return { theme, pane, lineNumbers, bell };
}

function read(): Partial<Preferences> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return typeof stored === "object" && stored !== null ? stored : { theme: localStorage.getItem(THEME_KEY) as Preferences["theme"] };
  } catch {
    return {};
  }
}
