import { readFile } from "node:fs/promises";
import type { JsonAnswer } from "../remote/json-service.ts";
import { SealUnavailable } from "./seal.ts";
import { read } from "./transit-dialects.ts";

const MAX_TOKEN_LENGTH = 8192;
/** Longer than a timer can wait; a longer lease is looked at again after it. */
const MAX_WAIT_MS = 2_000_000_000;
const MAX_PAUSE_MS = 10_000;

/** Gives the token as it is now. */
export type ReadToken = () => Promise<string>;

/** Reads the token from a file, which whoever renews it may replace at any time. @throws SealUnavailable */
export function tokenFromFile(path: string): ReadToken {
  return async () => {
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      throw new SealUnavailable("the transit seal's token file cannot be read: look at its path and its owner", {
        cause,
      });
    }
  };
}

/** Asks Vault about the token itself. @param path Below `/v1/auth/token/`. */
export type AskLease = (path: "lookup-self" | "renew-self", token: string) => Promise<JsonAnswer>;

/** The token that a transit seal uses, kept valid. */
export interface TransitToken {
  get(): Promise<string>;
  /** Reads it anew. @returns whether it is another one. */
  readAgain(): Promise<boolean>;
  /** Renews it in the background from now on, when it can be renewed. */
  keep(): void;
  close(): void;
}

/**
 * Holds a token, and renews it when two thirds of its lease have passed. When Vault refuses it, it is read again: an
 * agent beside the server may have put a new one there.
 * @param ask Without, tokens are not renewed.
 */
export function holdToken(readToken: ReadToken, ask?: AskLease): TransitToken {
  let token: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isKept = false;
  let isClosed = false;

  const get = async (): Promise<string> => {
    token ??= checkToken(await readToken());
    return token;
  };
  const readAgain = async (): Promise<boolean> => {
    const before = token;
    token = checkToken(await readToken());
    return token !== before;
  };
  const later = (step: () => Promise<void>, milliseconds: number) => {
    if (isClosed) return;
    timer = setTimeout(() => void step(), Math.min(milliseconds, MAX_WAIT_MS));
    timer.unref();
  };
  /** Never rejects: a renewal that failed shows in the next call, which says why. */
  const step = async (path: Parameters<AskLease>[0], leaseMs: number): Promise<void> => {
    const answer = await get()
      .then((current) => ask?.(path, current))
      .catch(() => undefined);
    const lease = answer?.status === 200 ? readLease(answer.body) : undefined;
    if (lease !== undefined) {
      if (lease.isRenewable) later(() => step("renew-self", lease.ms), (lease.ms * 2) / 3);
      return;
    }
    const isOther = answer?.status === 403 && (await readAgain().catch(() => false));
    const pause = Math.min(MAX_PAUSE_MS, leaseMs / 6);
    later(() => step(isOther ? "lookup-self" : path, leaseMs), isOther ? 0 : pause);
  };

  return {
    get,
    readAgain,
    keep: () => {
      if (ask === undefined || isKept) return;
      isKept = true;
      void step("lookup-self", MAX_PAUSE_MS * 6);
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      token = undefined;
    },
  };
}

interface Lease {
  readonly ms: number;
  readonly isRenewable: boolean;
}

function readLease(body: unknown): Lease | undefined {
  const seconds = read(body, "auth", "lease_duration") ?? read(body, "data", "ttl");
  const renewable = read(body, "auth", "renewable") ?? read(body, "data", "renewable");
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return undefined;
  return { ms: seconds * 1000, isRenewable: renewable === true && seconds > 0 };
}

function checkToken(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token) || token.length > MAX_TOKEN_LENGTH) {
    throw new SealUnavailable("the transit seal's token is empty, or no token: look at its file");
  }
  return token;
}
