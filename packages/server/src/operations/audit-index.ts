/** An index in decimal digits, as the contract has it; the fallback for none. At most 15 digits, so that it is exact. */
export function auditIndex(digits: string, fallback: number): number {
  return digits === "" ? fallback : Number(digits);
}
