/**
 * What a rejected `fetch` says of the backend, in the words of a Failure. Runtimes tell it in codes (Bun) or in sentences (Deno).
 */
import type { FailureStage } from "../../modules/mod.ts";

export interface FetchError {
  readonly stage: FailureStage & ("resolve" | "connect" | "tls" | "read-head");
  readonly cause: string;
}

const RESOLVE = /\bENOTFOUND\b|\bEAI_|dns error|getaddrinfo/i;
const TLS = /\bEPROTO\b|certificate|\bCERT_|\bTLS\b|InvalidContentType|\bSSL/i;
const CONNECT =
  /\b(ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|ETIMEDOUT)\b|client error \(Connect\)|connection refused|tcp connect error|failed to connect$/i;
const READ = /\b(ECONNRESET|EPIPE)\b|client error \(SendRequest\)|connection reset|closed before|invalid HTTP/i;

/**
 * @param mayRepeat the request may be sent twice: what says nothing counts as a connection that could not be made
 */
export function classifyFetchError(error: unknown, mayRepeat: boolean): FetchError {
  const cause = describe(error);
  if (RESOLVE.test(cause)) return { stage: "resolve", cause };
  if (TLS.test(cause)) return { stage: "tls", cause };
  if (CONNECT.test(cause)) return { stage: "connect", cause };
  if (READ.test(cause)) return { stage: "read-head", cause };
  return { stage: mayRepeat ? "connect" : "read-head", cause };
}

/** The error and what caused it, in one line. */
export function describe(error: unknown): string {
  const parts: string[] = [];
  let at: unknown = error;
  for (let depth = 0; depth < 5 && at !== undefined && at !== null; depth++) {
    const { code, message, cause } = at as { code?: unknown; message?: unknown; cause?: unknown };
    if (typeof code === "string" && !String(message).includes(code)) parts.push(code);
    if (typeof message === "string" && message !== "") parts.push(message);
    at = cause;
  }
  return parts.length === 0 ? String(error) : parts.join(": ");
}

/** Whether a sentence of a WebSocket client says that there was no connection. */
export function isConnectError(cause: string): boolean {
  return CONNECT.test(cause) || RESOLVE.test(cause);
}
