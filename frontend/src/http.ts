/** What is asked by plain HTTP: signing in and out, who is signed in, and all else where there is no socket. */

import type { Account, Reply, ServerInfo, WorksheetId } from "./protocol";
import { errorOf, RpcError } from "./rpc";

function xsrfToken(): string {
  const match = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie);
  return match?.[1] === undefined ? "" : decodeURIComponent(match[1]);
}

function send(path: string, body: string, signal: AbortSignal | null = null): Promise<Response> {
  const headers = { "Content-Type": "application/json", "X-XSRFToken": xsrfToken() };
  return fetch(path, { method: "POST", headers, body, signal });
}

/** One JSON-RPC text and its answer. Rejects when there is none. */
export async function postRpc(text: string, signal: AbortSignal): Promise<string> {
  const response = await send("/rpc", text, signal);
  if (!response.ok) throw new RpcError(`HTTP ${response.status}`, `The server answered ${response.status} ${response.statusText}.`);
  return response.text();
}

async function post(path: string, body: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await send(path, JSON.stringify(body));
  } catch {
    throw new RpcError("Disconnected", "The server cannot be reached.");
  }
  const text = await response.text();
  let value: unknown = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    // Something between the page and the server answered; the status says more than its words.
  }
  const { error } = (value ?? {}) as { readonly error?: Reply["error"] | string };
  if (typeof error === "object") throw errorOf(error);
  if (!response.ok) {
    const sentence = typeof error === "string" ? error : `The server answered ${response.status} ${response.statusText}.`;
    throw new RpcError(`HTTP ${response.status}`, sentence);
  }
  return value;
}

/** @throws RpcError `NotSignedIn`, `TooManyAttempts`, `Disconnected` */
export function signIn(by: { readonly name: string; readonly password: string } | { readonly link: string }): Promise<Account> {
  return post("/login", by) as Promise<Account>;
}

/** Come in by the link of a worksheet, as who is signed in or as a visitor. @throws RpcError as `signIn` */
export function visit(secret: string): Promise<{ readonly account: Account; readonly worksheet: WorksheetId }> {
  return post("/login", { visit: secret }) as Promise<{ account: Account; worksheet: WorksheetId }>;
}

/** Make an account and sign in by it. @throws RpcError `NotFound`, `Conflict`, `InvalidParams`, `TooManyAttempts` */
export async function signUp(name: string, password: string, invitation: string | null): Promise<Account> {
  const params = { name, password, invitation };
  await post("/rpc", { jsonrpc: "2.0", id: "sign-up", method: "account.sign_up", params });
  return signIn({ name, password });
}

/** Why a sign-in at the OpenID provider came to nothing. */
export const OIDC_FAULTS: Readonly<Record<string, string>> = {
  denied: "The provider did not let you in.",
  expired: "That sign-in took too long, or was begun in another browser. Begin it again.",
  unknown: "The provider knows you, but you have no account here. Ask an administrator for one.",
  failed: "The provider does not answer as it should. Try again, or tell an administrator.",
  busy: "Too many are signing in. Try again in a minute.",
  off: "This server has no provider to sign in at.",
};

export async function signOut(): Promise<void> {
  await post("/logout", {});
}

export async function serverInfo(): Promise<ServerInfo> {
  const reply = (await post("/rpc", { jsonrpc: "2.0", id: "info", method: "server.info", params: {} })) as Reply;
  return reply.result as ServerInfo;
}
