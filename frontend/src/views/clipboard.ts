/**
 * Cells on the clipboard of the system and in the other windows of this browser.
 *
 * A key that copies fills the clipboard through a copy event, which needs no permission and no secure origin; other
 * programs get plain text. The other windows are told, so that what was copied in one worksheet is pasted in another
 * by a key that reads no clipboard: to read it a browser asks first.
 */

import type { Actions } from "../actions";
import { CLIP_TYPE, type Clip, decodeClips, encodeClips, plainText } from "../clips";
import { may } from "../notebook";
import { spokenTo } from "../selection";
import type { State } from "../state";
import type { Store } from "../store";

const CHANNEL = "antiphon.clipboard";

export function shareClipboard(store: Store<State>, actions: Actions): void {
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
  /** What goes to the clipboard of the system with the copy event that is under way. */
  let going: readonly Clip[] | null = null;
  /** What came from elsewhere, or is on its way already. */
  let known: readonly Clip[] | null = null;

  const take = (text: string) => {
    const clips = decodeClips(text);
    if (clips === null || store.state.account === null) return;
    known = clips;
    store.set({ clipboard: clips });
  };
  channel?.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") take(data);
    else if (store.state.clipboard !== null) channel.postMessage(encodeClips(store.state.clipboard));
  });
  // A window that opens later knows what the others have.
  channel?.postMessage(null);

  store.watch(({ clipboard }) => {
    if (clipboard === known) return;
    known = clipboard;
    if (clipboard === null) return;
    channel?.postMessage(encodeClips(clipboard));
    if (going !== null) return;
    going = clipboard;
    const copied = document.execCommand("copy");
    going = null;
    if (!copied) void navigator.clipboard?.writeText(plainText(clipboard)).catch(() => undefined);
  });

  const fill = (event: ClipboardEvent, clips: readonly Clip[]) => {
    event.clipboardData?.setData("text/plain", plainText(clips));
    event.clipboardData?.setData(CLIP_TYPE, encodeClips(clips));
    event.preventDefault();
  };

  /** The cells that Ctrl+C speaks to: not while text is selected, or written. */
  const spoken = (event: Event) => {
    const { state } = store;
    const target = event.target as Element | null;
    if (state.route.page !== "worksheet" || state.past !== null || state.dialog !== null || state.editing) return [];
    if (target?.closest("input, textarea, select, [contenteditable], .pane") || !(getSelection()?.isCollapsed ?? true)) return [];
    return spokenTo(state).map(({ id }) => id);
  };

  const copies = (event: ClipboardEvent) => {
    if (going !== null) return fill(event, going);
    const cells = spoken(event);
    const { notebook } = store.state;
    const cuts = event.type === "cut";
    if (notebook === null || cells.length === 0 || (cuts && !may(notebook.worksheet.role, "edit"))) return;
    going = [];
    const clips = actions.shaping.copy(cells);
    going = null;
    fill(event, clips);
    if (cuts) void actions.shaping.remove(cells, "cut");
  };
  document.addEventListener("copy", copies);
  document.addEventListener("cut", copies);
  // With nothing selected some browsers copy only when they are told that there is something.
  for (const kind of ["beforecopy", "beforecut"])
    document.addEventListener(kind, (event) => {
      if (going !== null || spoken(event).length > 0) event.preventDefault();
    });

  document.addEventListener("paste", (event) => {
    const { notebook, editing, clipboard, route, past, dialog } = store.state;
    const target = event.target as Element | null;
    if (route.page !== "worksheet" || notebook === null || past !== null || dialog !== null || editing || !may(notebook.worksheet.role, "edit")) return;
    if (target?.closest("input, textarea, select, [contenteditable], .pane")) return;
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const clips = decodeClips(event.clipboardData?.getData(CLIP_TYPE) ?? "");
    const below = spokenTo(store.state).at(-1)?.id ?? notebook.cells.at(-1)?.id ?? null;
    event.preventDefault();
    // Only the text of what was copied here may have come through.
    const same = clips === null && clipboard !== null && text === plainText(clipboard) ? clipboard : clips;
    if (same !== null) void actions.shaping.insert(same, below);
    else void actions.shaping.pasteText(text, below);
  });
}
