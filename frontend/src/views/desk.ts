/** What the browser around the page can do: tell somebody who looks elsewhere. */

import type { Desk, Rung } from "../bell";
import { duration, STATE_WORDS } from "./words";

export const browserDesk: Desk = {
  visible: () => !document.hidden,
  ask: async () => (typeof Notification === "undefined" ? "denied" : Notification.requestPermission()),
  tell(rung, then) {
    if (typeof Notification === "undefined" || Notification.permission !== "granted") return;
    try {
      const notification = new Notification(rungWords(rung), { body: rung.title, tag: rung.title });
      notification.onclick = () => {
        window.focus();
        notification.close();
        then();
      };
    } catch {
      // Chromium on Android has the class, and lets only a service worker use it.
    }
  },
};

export function rungWords({ kind, place, count, seconds }: Rung): string {
  const what = count > 1 ? `${count} cells are done` : `Cell ${place} ${STATE_WORDS[kind]}`;
  return `${what} after ${duration(seconds)}`;
}
