/** What those see and do who look after the server: accounts, sessions, what was written down, limits. */

import type { Client } from "./client";
import type { AccountDetails, AccountName, SessionUid } from "./protocol";
import type { AdminPart, AdminView, State } from "./state";
import type { Store } from "./store";

export interface AdminHost {
  /** Do it; a fault becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  notify(text: string): void;
  confirm(what: { title: string; text: string; action: string; then: () => void }): void;
}

/** Entries of the audit log that one question brings. */
const PAGE = 100;

export class AdminActions {
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: AdminHost,
  ) {}

  /** Ask for what a part shows; what was there stays until the new comes. */
  async load(part: AdminPart): Promise<void> {
    await this.host.tell(async () => {
      if (part === "accounts") this.#set({ accounts: await this.client.accounts() });
      else if (part === "sessions") this.#set({ sessions: await this.client.liveSessions() });
      else if (part === "limits") this.#set({ limits: await this.client.limits() });
      else await this.searchAudit(this.store.state.admin.audit.account, this.store.state.admin.audit.act);
    });
  }

  async searchAudit(account: string, act: string): Promise<void> {
    await this.host.tell(async () => {
      const entries = await this.client.audit(null, PAGE, account.trim(), act.trim());
      this.#set({ audit: { entries, more: entries.length === PAGE, account, act } });
    });
  }

  async moreAudit(): Promise<void> {
    const { entries, account, act } = this.store.state.admin.audit;
    const last = entries?.at(-1);
    if (entries === null || last === undefined) return;
    await this.host.tell(async () => {
      const older = await this.client.audit(last.number, PAGE, account.trim(), act.trim());
      this.#set({ audit: { entries: [...entries, ...older], more: older.length === PAGE, account, act } });
    });
  }

  /** A link or an invitation, shown this once. */
  async link(account: AccountName): Promise<void> {
    await this.host.tell(async () => {
      const { url } = await this.client.loginLink(account);
      this.store.set({ dialog: { kind: "secret", title: "Login link", text: `It signs ${account} in once; it is shown only now.`, url } });
    });
  }

  async invite(): Promise<void> {
    await this.host.tell(async () => {
      const { url } = await this.client.invite();
      this.store.set({ dialog: { kind: "secret", title: "Invitation", text: "By it one person makes an account, within a week. It is shown only now.", url } });
    });
  }

  switchAccount({ name, disabled }: AccountDetails): void {
    const work = async () => {
      await (disabled ? this.client.enableAccount(name) : this.client.disableAccount(name));
      await this.load("accounts");
      this.host.notify(disabled ? `${name} may come in again.` : `${name} is switched off.`);
    };
    if (disabled) void this.host.tell(work);
    else
      this.host.confirm({
        title: `Switch off ${name}?`,
        text: "Every browser and every program of this account is out at once, and nobody comes in by it. Worksheets stay. It can be switched on again.",
        action: "Switch off",
        then: () => void this.host.tell(work),
      });
  }

  signOut({ name }: AccountDetails): void {
    this.host.confirm({
      title: `Sign ${name} out?`,
      text: "Every browser of this account is out at once. Its programs and its password stay.",
      action: "Sign out",
      then: () =>
        void this.host.tell(async () => {
          await this.client.endSignins(name);
          await this.load("accounts");
        }),
    });
  }

  endSession(session: SessionUid, owner: string): void {
    this.host.confirm({
      title: `End this session of ${owner}?`,
      text: "What runs in it stops, and its variables go. Cells and outputs stay; the next run starts a new session.",
      action: "End the session",
      then: () =>
        void this.host.tell(async () => {
          await this.client.closeAnySession(session);
          await this.load("sessions");
        }),
    });
  }

  #set(part: Partial<AdminView>): void {
    this.store.update((state) => ({ ...state, admin: { ...state.admin, ...part } }));
  }
}
