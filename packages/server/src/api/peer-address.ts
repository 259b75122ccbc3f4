const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;

/** A peer's address as it is known: on a socket of both families, one of IPv4 comes as IPv6 (RFC 4291 section 2.5.5.2). */
export function plainAddress(address: string): string {
  return address.replace(MAPPED, "");
}
