import { isIP } from "node:net";
import { resolve } from "node:path";
import { isLoopbackAddress } from "./loopback.ts";

/** Where a listener binds. */
export interface ListenAddress {
  /** An IP address, IPv6 without brackets. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether only this machine can reach it. */
  readonly isLoopback: boolean;
}

/** How a setting's text is read. */
export interface ValueType<T> {
  /** Stands for the value in help; empty for a switch, whose flag needs no value. */
  readonly placeholder: string;
  /** The value, or undefined when the text is malformed. */
  parse(text: string): T | undefined;
  /** What the text must be; completes "must be …". */
  readonly rule: string;
}

/** `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`. A name could resolve to anything, so no other is accepted. */
export const ADDRESS: ValueType<ListenAddress> = {
  placeholder: "IP:PORT",
  rule: "IP:PORT, [IPv6]:PORT or localhost:PORT with a port from 0 to 65535",
  parse(text) {
    const match = /^(?:\[([0-9A-Fa-f:.%a-z]+)\]|([0-9.]+|localhost)):(0|[1-9][0-9]{0,4})$/.exec(text);
    const [, ipv6, ipv4, portText] = match ?? [];
    const port = Number(portText);
    if (match === null || port > 65535) {
      return undefined;
    }
    if (ipv4 === "localhost") {
      return { host: "127.0.0.1", port, isLoopback: true };
    }
    const host = ipv6 ?? ipv4 ?? "";
    const version = ipv6 === undefined ? 4 : 6;
    if (isIP(host) !== version) {
      return undefined;
    }
    return { host, port, isLoopback: isLoopbackAddress(host) };
  },
};

/** A path, made absolute. */
export const PATH: ValueType<string> = {
  placeholder: "PATH",
  rule: "a path",
  parse: (text) => (text.includes("\0") ? undefined : resolve(text)),
};

/** A number of bytes, of at least 1 MiB, with a unit or without. */
export const BYTES: ValueType<number> = {
  placeholder: "SIZE",
  rule: "a whole number of bytes, or of MiB, GiB or TiB as in 10GiB; at least 1MiB",
  parse(text) {
    const [, digits, unit = ""] = /^([1-9][0-9]{0,14})(MiB|GiB|TiB)?$/.exec(text) ?? [];
    const bytes = Number(digits) * (UNITS.get(unit) as number);
    return Number.isSafeInteger(bytes) && bytes >= 2 ** 20 ? bytes : undefined;
  },
};

const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);

/** A line of text. */
export const TEXT: ValueType<string> = {
  placeholder: "TEXT",
  rule: "1 to 512 characters, none of them a control character",
  parse: (text) => (/^[^\p{Cc}]{1,512}$/u.test(text) ? text : undefined),
};

/** An address of HTTP or HTTPS without user, query or fragment. */
export const HTTP_URL: ValueType<string> = {
  placeholder: "URL",
  rule: "an https:// or http:// address without user, query and fragment",
  parse(text) {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
      return undefined;
    }
    return url.username + url.password + url.search + url.hash === "" ? text.replace(/\/+$/, "") : undefined;
  },
};

/** The same, whose path is taken as it is: a receiver may tell `/hook` from `/hook/`. */
export const RECEIVER_URL: ValueType<string> = {
  ...HTTP_URL,
  parse: (text) => (HTTP_URL.parse(text) === undefined ? undefined : text),
};

/** Where a syslog receiver listens. */
export interface SyslogAddress {
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** `tls://HOST:PORT`, or `tcp://HOST:PORT` on loopback. The log is not sent over a network in the clear. */
export const SYSLOG_ADDRESS: ValueType<SyslogAddress> = {
  placeholder: "tls://HOST:PORT",
  rule: "tls://HOST:PORT, or tcp://HOST:PORT with a loopback address, with a port from 1 to 65535",
  parse(text) {
    const [, scheme, ipv6, name, portText] =
      /^(tls|tcp):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]{1,253})):([1-9][0-9]{0,4})$/.exec(text) ?? [];
    const host = name === "localhost" && scheme === "tcp" ? "127.0.0.1" : (ipv6 ?? name ?? "");
    const port = Number(portText);
    if (scheme === undefined || port > 65535 || (ipv6 !== undefined && isIP(ipv6) !== 6)) {
      return undefined;
    }
    return scheme === "tls" || isLoopbackAddress(host) ? { host, port, isTls: scheme === "tls" } : undefined;
  },
};

/** The kinds of seals. */
export const SEAL_KINDS = Object.freeze([
  "env",
  "file",
  "shamir",
  "pkcs11",
  "awskms",
  "gcpkms",
  "azurekv",
  "transit",
] as const);

export type SealKind = (typeof SEAL_KINDS)[number];

/** Kinds of seals, in an order. */
export const SEALS: ValueType<readonly SealKind[]> = {
  placeholder: "SEAL,…",
  rule: `some of ${SEAL_KINDS.join(", ")}, joined by commas, each once`,
  parse(text) {
    const kinds = text.split(",").map((name) => SEAL_KINDS.find((kind) => kind === name.trim()));
    return kinds.includes(undefined) || new Set(kinds).size !== kinds.length ? undefined : (kinds as SealKind[]);
  },
};

/** On or off. */
export const SWITCH: ValueType<boolean> = {
  placeholder: "",
  rule: "true or false",
  parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
};

/** A secret: read by its own code, only ever as text here. */
export const SECRET: ValueType<string> = {
  placeholder: "SECRET",
  rule: "a secret",
  parse: (text) => text,
};

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): ValueType<T> {
  return {
    placeholder: words.join("|"),
    rule: `one of ${words.join(", ")}`,
    parse: (text) => words.find((word) => word === text),
  };
}

/** A whole number in decimal digits, from `min` to `max`. */
export function count(min: number, max: number): ValueType<number> {
  return {
    placeholder: "N",
    rule: `a whole number from ${min} to ${max}`,
    parse(text) {
      const value = /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}
