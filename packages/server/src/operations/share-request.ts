import type { ShareRequest } from "./seal-control.ts";

/** The fields that each request for shares has. */
interface ShareFields {
  readonly secretShares: number;
  readonly secretThreshold: number;
  readonly shareRecipients: readonly string[];
}

/** What a request says of shares. */
export function shareRequest({ secretShares, secretThreshold, shareRecipients }: ShareFields): ShareRequest {
  return { shares: secretShares, threshold: secretThreshold, recipients: shareRecipients };
}
