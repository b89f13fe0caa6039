/** The session's files, for the pane beside the cells: looking at them, bringing them there and back. */

import type { Client } from "./client";
import type { SessionUid } from "./protocol";
import { RpcError } from "./rpc";
import type { FilesView, State } from "./state";
import type { Store } from "./store";

export interface FilesHost {
  /** Do it; a fault becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  confirm(what: { title: string; text: string; action: string; then: () => void }): void;
  newId(): string;
  /** Hand a file to the browser, which keeps it where it keeps downloads. */
  save(name: string, data: Blob): void;
}

/** Bytes in one request: the most that the server takes. */
const PART = 512 * 1024;

export class FilesActions {
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: FilesHost,
  ) {}

  /** Look at a directory of the session, which the first look starts. */
  async look(path: string): Promise<void> {
    const worksheet = this.store.state.notebook?.worksheet.id;
    let failed = true;
    await this.#tell(async (session) => {
      const found = await this.client.files(session, path, 0);
      failed = false;
      if (this.store.state.notebook?.worksheet.id === worksheet) this.#set({ path, entries: found.entries, next: found.next, renaming: null });
    });
    this.#set({ failed });
  }

  async more(): Promise<void> {
    const { path, entries, next } = this.store.state.files;
    if (next === null) return;
    await this.#tell(async (session) => {
      const found = await this.client.files(session, path, next);
      this.#set({ entries: [...(entries ?? []), ...found.entries], next: found.next });
    });
  }

  async download(name: string): Promise<void> {
    const path = this.#path(name);
    await this.#tell(async (session) => {
      const parts: Blob[] = [];
      let version = "";
      for (let at = 0, size = 1; at < size; ) {
        const part = await this.client.readFile(session, path, at);
        if (version !== "" && part.version !== version) throw new RpcError("Conflict", `${name} was changed while it was read. Try again.`);
        const bytes = Uint8Array.from(atob(part.data), (character) => character.charCodeAt(0));
        if (bytes.length === 0) break;
        ({ size, version } = part);
        at += bytes.length;
        parts.push(new Blob([bytes])); // a browser keeps large blobs on disk
        this.#goes(name, "Downloading", at, size);
      }
      this.host.save(name, new Blob(parts));
    });
    this.#gone(name);
  }

  async upload(files: readonly File[]): Promise<void> {
    for (const file of files) {
      const path = this.#path(file.name);
      await this.#tell(async (session) => {
        const upload = this.host.newId();
        let at = 0;
        do {
          const end = at + PART >= file.size;
          const data = base64(new Uint8Array(await file.slice(at, at + PART).arrayBuffer()));
          await this.client.writeFile(session, path, upload, at, data, end);
          at += PART;
          this.#goes(file.name, "Uploading", Math.min(at, file.size), file.size);
        } while (at < file.size);
      });
      this.#gone(file.name);
    }
    await this.look(this.store.state.files.path);
  }

  /** Ask for another name in the place of this one; null asks no more. */
  ask(renaming: string | null): void {
    this.#set({ renaming });
  }

  async rename(name: string, to: string): Promise<void> {
    this.#set({ renaming: null });
    if (to === "" || to === name) return;
    await this.#tell((session) => this.client.renameFile(session, this.#path(name), this.#path(to)));
    await this.look(this.store.state.files.path);
  }

  delete(name: string): void {
    const path = this.#path(name);
    this.host.confirm({
      title: `Delete “${name}”?`,
      text: "It goes from the session's directory, for everyone whose code uses it. This cannot be undone.",
      action: "Delete",
      then: () =>
        void this.#tell((session) => this.client.deleteFile(session, path)).then(() => this.look(this.store.state.files.path)),
    });
  }

  #path(name: string): string {
    const { path } = this.store.state.files;
    return path === "" ? name : `${path}/${name}`;
  }

  async #tell(work: (session: SessionUid) => Promise<unknown>): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    await this.host.tell(async () => work(notebook.session?.uid ?? (await this.client.session(notebook.worksheet.id)).uid));
  }

  #goes(name: string, does: string, done: number, size: number): void {
    this.#set({ going: [...this.store.state.files.going.filter((one) => one.name !== name), { name, does, done, size }] });
  }

  #gone(name: string): void {
    this.#set({ going: this.store.state.files.going.filter((one) => one.name !== name) });
  }

  #set(part: Partial<FilesView>): void {
    this.store.update((state) => ({ ...state, files: { ...state.files, ...part } }));
  }
}

/** In pieces: a function takes only so many arguments. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
