/**
 * How a backend failed: a closed vocabulary, shared by the log, passive health, the manager and the tests.
 */

/** Where in the exchange it happened. */
export type FailureStage =
  | "acquire"
  | "resolve"
  | "connect"
  | "tls"
  | "send-head"
  | "send-body"
  | "read-head"
  | "read-body"
  | "tunnel";

/** Whose failure it is. A client that leaves is no backend failure. */
export type FailureSource = "client" | "backend" | "proxy";

/** Whether another member may be tried: never, only if the connection had served before, or yes. */
export type FailureRetry = "never" | "if-reused" | "yes";

export interface Failure {
  readonly stage: FailureStage;
  readonly source: FailureSource;
  readonly retry: FailureRetry;
  /** What was found: "connection refused", "timeout"... */
  readonly cause: string;
  /** A read timed out before the status line (`failontimeout`). */
  readonly timedOut: boolean;
}
