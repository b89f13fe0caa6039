/** A session's use of its machine, as two answers of the server tell it. Pure. */

import type { SessionUid, Use } from "./protocol";

export interface Meter {
  readonly session: SessionUid;
  readonly use: Use;
  /** Cores in use since the last answer; null where there was none. */
  readonly cores: number | null;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Milliseconds. Over less, the share of a core says little. */
const LEAST = 500;

export function meterOf(before: Meter | null, session: SessionUid, use: Use, at: number): Meter {
  // A restart begins to count anew.
  if (before === null || use.cpu_seconds < before.use.cpu_seconds) return { session, use, cores: null, at };
  if (at - before.at < LEAST) return { ...before, use: { ...use, cpu_seconds: before.use.cpu_seconds } };
  return { session, use, cores: ((use.cpu_seconds - before.use.cpu_seconds) * 1000) / (at - before.at), at };
}

/** A limit is near when this share of it is used. */
const NEAR = 0.85;

/** The limit that the session comes near to, as a sentence; null when there is none. */
export function nearLimit({ use: { limits, memory_bytes, cpu_seconds } }: Meter): string | null {
  if (limits.memory_bytes > 0 && memory_bytes > NEAR * limits.memory_bytes) return "The memory is nearly full: at the limit the session ends.";
  if (limits.cpu_seconds > 0 && cpu_seconds > NEAR * limits.cpu_seconds) return "The CPU time is nearly used up: at the limit the session ends.";
  return null;
}
