/** One typed function for each method of the server that the page uses. */

import type {
  Account,
  AccountDetails,
  AccountName,
  AuditEntry,
  Bin,
  Caret,
  Cell,
  CellId,
  Changes,
  CommentId,
  Completion,
  Entries,
  Exported,
  FileEntry,
  FileFormat,
  History,
  Inspection,
  Link,
  LinkId,
  ListedWorksheet,
  LiveSession,
  LoginLink,
  Member,
  MessageId,
  Moment,
  Publications,
  Role,
  Run,
  RunId,
  RunOutputs,
  Runs,
  ServerInfo,
  ServerLimits,
  Session,
  SessionDetails,
  SessionUid,
  Snapshot,
  Step,
  Thread,
  VariableDetails,
  Variables,
  Which, Worksheet,
  WorksheetId,
} from "./protocol";
import type { Rpc } from "./rpc";

/** How many log entries or publications one question brings. */
export const PAGE = 1000;

/** Milliseconds. What a person waits for at the keyboard is not worth more. */
const TYPING_DEADLINE = 5_000;

export type Client = ReturnType<typeof clientOf>;

/** The server's types are its promise (specification, part *JSON-RPC*): results are not checked again. */
export function clientOf(rpc: Rpc) {
  const call = <Result>(method: string, params: Readonly<Record<string, unknown>> = {}, deadline?: number) =>
    rpc.call(method, params, deadline) as Promise<Result>;
  return {
    info: () => call<ServerInfo>("server.info"),

    createAccount: (name: AccountName, display_name: string) =>
      call<{ account: Account; link: LoginLink }>("account.create", { name, display_name }),
    setPassword: (password: string, current: string | null) => call<null>("account.set_password", { password, current }),

    accounts: () => call<readonly AccountDetails[]>("account.list"),
    loginLink: (account: AccountName) => call<LoginLink>("account.link", { account }),
    invite: () => call<{ url: string; expires: string }>("account.invite"),
    disableAccount: (account: AccountName) => call<null>("account.disable", { account }),
    enableAccount: (account: AccountName) => call<null>("account.enable", { account }),
    endSignins: (account: AccountName) => call<null>("signin.end", { account }),
    liveSessions: () => call<readonly LiveSession[]>("admin.sessions"),
    closeAnySession: (session: SessionUid) => call<null>("admin.close_session", { session }),
    limits: () => call<ServerLimits>("admin.limits"),
    audit: (before: number | null, limit: number, account: string, act: string) =>
      call<readonly AuditEntry[]>("audit.list", { before, limit, account: account || null, act: act || null }),

    worksheets: (query: string) => call<readonly ListedWorksheet[]>("worksheet.list", { query }),
    duplicateWorksheet: (worksheet: WorksheetId, copy: WorksheetId, outputs: boolean) =>
      call<Worksheet>("worksheet.duplicate", { worksheet, copy, outputs }),
    createWorksheet: (title: string, worksheet: WorksheetId) => call<Worksheet>("worksheet.create", { title, worksheet }),
    openWorksheet: (worksheet: WorksheetId) => call<Snapshot>("worksheet.open", { worksheet }),
    entriesSince: (worksheet: WorksheetId, cursor: number) =>
      call<Entries>("worksheet.since", { worksheet, cursor, limit: PAGE }),
    renameWorksheet: (worksheet: WorksheetId, title: string) => call<null>("worksheet.rename", { worksheet, title }),
    importWorksheet: (filename: string, text: string, worksheet: WorksheetId) =>
      call<Worksheet>("worksheet.import", { filename, text, worksheet }),
    exportWorksheet: (worksheet: WorksheetId, format: FileFormat) =>
      call<Exported>("worksheet.export", { worksheet, format }),
    transferWorksheet: (worksheet: WorksheetId, account: AccountName) =>
      call<Member>("worksheet.transfer", { worksheet, account }),
    deleteWorksheet: (worksheet: WorksheetId) => call<null>("worksheet.delete", { worksheet }),
    subscribeWorksheet: (worksheet: WorksheetId, cursor: number) => call<null>("worksheet.subscribe", { worksheet, cursor }),
    tellCaret: (worksheet: WorksheetId, place: Pick<Caret, "cell" | "version" | "anchor" | "head"> | null) =>
      call<{ window: number }>("worksheet.caret", { worksheet, ...place }),
    unsubscribeWorksheet: (worksheet: WorksheetId) => call<null>("worksheet.unsubscribe", { worksheet }),

    at: (worksheet: WorksheetId, number: number) => call<Moment>("worksheet.at", { worksheet, number }),
    history: (worksheet: WorksheetId, before: number | null) => call<History>("worksheet.history", { worksheet, before }),
    bin: (worksheet: WorksheetId, before: number | null) => call<Bin>("worksheet.bin", { worksheet, before }),
    restore: (worksheet: WorksheetId, number: number) => call<null>("worksheet.restore", { worksheet, number }),

    clear: (worksheet: WorksheetId, cells: readonly CellId[] | null, which: "all" | "earlier") =>
      call<{ kept: number; freed: number }>("worksheet.clear", { worksheet, cells, which }),

    setMember: (worksheet: WorksheetId, account: AccountName, role: Role) =>
      call<Member>("member.set", { worksheet, account, role }),
    links: (worksheet: WorksheetId) => call<readonly Link[]>("link.list", { worksheet }),
    createLink: (worksheet: WorksheetId, role: Role, expires: string | null, most_uses: number | null) =>
      call<{ link: Link; url: string }>("link.create", { worksheet, role, expires, most_uses }),
    revokeLink: (worksheet: WorksheetId, link: LinkId) => call<null>("link.revoke", { worksheet, link }),
    removeMember: (worksheet: WorksheetId, account: AccountName) => call<null>("member.remove", { worksheet, account }),

    change: (worksheet: WorksheetId, steps: readonly Step[]) => call<null>("worksheet.change", { worksheet, steps }),
    editCell: (worksheet: WorksheetId, cell: CellId, version: number, changes: Changes, edit: string) =>
      call<{ version: number }>("cell.edit", { worksheet, cell, version, changes, edit }),
    restoreCell: (worksheet: WorksheetId, cell: CellId, number: number | null) =>
      call<Cell>("cell.restore", { worksheet, cell, number }),
    runs: (worksheet: WorksheetId, cell: CellId, before: RunId | null, limit = 20) =>
      call<Runs>("cell.runs", { worksheet, cell, before, limit }),
    runOutputs: (worksheet: WorksheetId, run: RunId, before: number | null = null) =>
      call<RunOutputs>("run.outputs", { worksheet, run, before }),
    runCells: (worksheet: WorksheetId, which: Which, run: RunId, more: { cell?: CellId; cells?: readonly CellId[] }) =>
      call<readonly Run[]>("worksheet.run", { worksheet, which, run, ...more }),
    runCell: (worksheet: WorksheetId, cell: CellId, run: RunId) => call<Run>("cell.run", { worksheet, cell, run }),

    beginThread: (worksheet: WorksheetId, cell: CellId, text: string, comment: CommentId, place: { range: readonly [number, number]; version: number } | null) =>
      call<Thread>("comment.create", { worksheet, cell, text, comment, ...place }),
    reply: (worksheet: WorksheetId, thread: CommentId, text: string, comment: CommentId) =>
      call<Thread>("comment.reply", { worksheet, thread, text, comment }),
    editComment: (worksheet: WorksheetId, comment: CommentId, text: string) => call<null>("comment.edit", { worksheet, comment, text }),
    deleteComment: (worksheet: WorksheetId, comment: CommentId) => call<null>("comment.delete", { worksheet, comment }),
    restoreComment: (worksheet: WorksheetId, comment: CommentId) => call<null>("comment.restore", { worksheet, comment }),
    resolveThread: (worksheet: WorksheetId, thread: CommentId, resolved: boolean) =>
      call<null>("comment.resolve", { worksheet, thread, resolved }),
    readThread: (worksheet: WorksheetId, thread: CommentId, number: number) => call<null>("comment.read", { worksheet, thread, number }),

    tryOut: (session: SessionUid, code: string, msg_id: MessageId) =>
      call<{ msg_id: MessageId }>("session.execute", { session, code, msg_id, scratch: true }),
    complete: (session: SessionUid, code: string, cursor_pos: number) =>
      call<Completion>("session.complete", { session, code, cursor_pos }, TYPING_DEADLINE),
    inspect: (session: SessionUid, code: string, cursor_pos: number, detail_level: 0 | 1) =>
      call<Inspection>("session.inspect", { session, code, cursor_pos, detail_level }, TYPING_DEADLINE),
    variables: (session: SessionUid, search: string, limit: number) => call<Variables>("session.variables", { session, search, limit }),
    variable: (session: SessionUid, name: string, start: number, limit: number) =>
      call<VariableDetails>("session.variable", { session, name, start, limit }),
    sessionInfo: (session: SessionUid) => call<SessionDetails>("session.info", { session }),
    session: (worksheet: WorksheetId) => call<Session>("worksheet.session", { worksheet }),
    files: (session: SessionUid, path: string, start: number) =>
      call<{ entries: readonly FileEntry[]; total: number; next: number | null }>("file.list", { session, path, start }),
    readFile: (session: SessionUid, path: string, offset: number) =>
      call<{ size: number; version: string; data: string }>("file.read", { session, path, offset }),
    writeFile: (session: SessionUid, path: string, upload: string, offset: number, data: string, end: boolean) =>
      call<{ size: number }>("file.write", { session, path, upload, offset, data, end }),
    renameFile: (session: SessionUid, path: string, to: string) => call<null>("file.rename", { session, path, to }),
    deleteFile: (session: SessionUid, path: string) => call<null>("file.delete", { session, path }),
    interrupt: (session: SessionUid) => call<null>("session.interrupt", { session }),
    cancel: (session: SessionUid, msg_id: MessageId) => call<null>("session.cancel", { session, msg_id }),
    move: (session: SessionUid, msg_id: MessageId, before: MessageId | null) =>
      call<null>("session.move", { session, msg_id, before }),
    restart: (session: SessionUid) => call<null>("session.restart", { session }),
    answer: (session: SessionUid, prompt: MessageId, value: string) => call<null>("session.answer", { session, prompt, value }),
    tellWidget: (session: SessionUid, comm: string, data: object, buffers: readonly string[], msg_id: MessageId) =>
      call<{ msg_id: MessageId }>("widget.send", { session, comm, data, buffers, msg_id }),

    publicationsSince: (session: SessionUid, cursor: number) =>
      call<Publications>("feed.since", { session, cursor, limit: PAGE }),
    subscribeFeed: (session: SessionUid, cursor: number) => call<null>("feed.subscribe", { session, cursor }),
    unsubscribeFeed: (session: SessionUid) => call<null>("feed.unsubscribe", { session }),
  };
}
