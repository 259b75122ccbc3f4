import { isIP } from "node:net";

const NAME =
  /^BUNKMS(?:_[A-Z0-9]+)*?_(?:(SERVICE_HOST)|(SERVICE_PORT(?:_[A-Z0-9_]+)?)|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(PROTO|PORT|ADDR))?)?)$/;
const ADDRESS = /^(?:tcp|udp|sctp):\/\/\S+:[0-9]+$/;
const PORT = /^[0-9]{1,5}$/;

/**
 * Whether a variable is one of those that Kubernetes gives to each container of a namespace that has a service named `bunkms` or
 * `bunkms-…`. By its value, too: who writes `BUNKMS_PORT=8080` means a setting.
 */
export function isServiceLink(name: string, text: string): boolean {
  const [whole, host, port, part] = NAME.exec(name) ?? [];
  if (whole === undefined) {
    return false;
  }
  if (host !== undefined || part === "ADDR") {
    return isIP(text) !== 0;
  }
  if (port !== undefined || part === "PORT") {
    return PORT.test(text);
  }
  return part === "PROTO" ? ["tcp", "udp", "sctp"].includes(text) : ADDRESS.test(text);
}
