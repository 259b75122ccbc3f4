import type { SecureContext } from "node:tls";

// Not imported: see boot/listen.ts.
const { createSecureContext } = process.getBuiltinModule("node:tls");

/** What connections over TLS trust and present, as it is now: the same object until that changes. */
export type ContextSource = () => SecureContext;

/** What else than the built-in authorities and no certificate there is, all PEM. */
interface OwnSide {
  /** Authorities to trust in place of the built-in ones. */
  readonly ca?: string | undefined;
  /** A certificate chain to present to who asks for one. */
  readonly cert?: Buffer;
  /** Its private key. */
  readonly key?: Buffer;
}

/** Makes a context of TLS 1.2 and newer. @throws Error when the key does not fit the certificate, or either is none. */
export function makeContext({ ca, cert, key }: OwnSide): SecureContext {
  return createSecureContext({
    minVersion: "TLSv1.2",
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}

/** Trusts these authorities, PEM, in place of the built-in ones, and presents no certificate. */
export function trusting(ca: string): ContextSource {
  let context: SecureContext | undefined;
  return () => {
    context ??= makeContext({ ca });
    return context;
  };
}
