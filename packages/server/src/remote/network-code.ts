const MAX_CAUSES = 5;

/**
 * Node's own code of a call that failed, such as ECONNREFUSED. Texts and codes of the other side are never quoted; of a TLS alert,
 * which is a number, this is OpenSSL's name.
 */
export function networkCode(error: unknown): string | undefined {
  const found = findCause(error, (cause) =>
    /^(E[A-Z0-9_]{2,60}|CERT_[A-Z_]{2,40}|UNABLE_[A-Z_]{2,60}|SELF_[A-Z_]{2,60}|DEPTH_[A-Z_]{2,60})$/.test(
      codeOf(cause),
    ),
  );
  return found === undefined ? undefined : codeOf(found);
}

/** The error itself, or what is behind it, if it matches. */
export function findCause(error: unknown, matches: (cause: unknown) => boolean): unknown {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
    if (matches(cause)) return cause;
    cause = cause.cause;
  }
  return undefined;
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}
