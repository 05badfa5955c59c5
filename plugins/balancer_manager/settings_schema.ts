/** What may be changed of members and balancers, as schemas: for the API, its description, and what BalancerPersist keeps. */
import { z } from "zod";
import { type BalancerSettings, HC_METHODS, type MemberSettings } from "../../modules/mod.ts";

/** The parts of names that httpd has room for. */
const MAX_NAME = 63;
const name = z
  .string()
  .max(MAX_NAME)
  .regex(/^[\x20-\x7e\x80-\xff]*$/, "has a control character, or one that is no byte");
const whole = z.int().min(0);
const durationMs = z.int().min(1);

export const memberSettingsSchema = z.strictObject({
  ignoreErrors: z.boolean().describe("Failures never take it out (I)"),
  draining: z.boolean().describe("Only requests whose session names its route (N)"),
  disabled: z.boolean().describe("No requests (D)"),
  stopped: z.boolean().describe("No requests, no health checks, no retries (S)"),
  standby: z.boolean().describe("Serves when no regular member of its lbset can (H)"),
  spare: z.boolean().describe("Takes the place of a member of its lbset that cannot serve (R)"),
  checkFailed: z.boolean().describe("Counts as failing its health checks (C)"),
  loadFactor: z.number().min(1).max(100).describe("Share of the requests, in hundredths of 1"),
  lbset: z.int().min(0).max(99).describe("Members of a lower set come first"),
  route: name.describe("What the sessions of this member name; empty: none"),
  redirect: name.describe("The route that serves its sessions while it cannot; empty: none"),
  retryMs: whole.describe("How long it is left alone after a failure"),
  timeoutMs: durationMs.nullable().describe("Longest wait for its bytes; null: ProxyTimeout, else Timeout"),
  connectionTimeoutMs: durationMs.nullable().describe("Longest wait for a connection; null: as timeoutMs"),
  acquireMs: durationMs.nullable().describe("Longest wait for a place in its pool; null: no limit"),
  checkMethod: z
    .enum(HC_METHODS)
    .exclude(["PROVIDER"])
    .or(z.string().regex(/^PROVIDER:./))
    .describe("hcmethod"),
  checkIntervalMs: z.int().min(100),
  checkPasses: whole.describe("In a row; 0 acts like 1"),
  checkFails: whole.describe("In a row; 0 acts like 1"),
  checkUri: name,
  checkExpr: name.describe("Name of a ProxyHCExpr; empty: a status of 200 to 399 passes"),
}) satisfies z.ZodType<MemberSettings>;
export const memberChangeSchema = memberSettingsSchema.partial();

export const balancerSettingsSchema = z.strictObject({
  lbmethod: z.string().min(1),
  timeoutMs: whole.describe("Longest wait for a usable member"),
  maxAttempts: whole.describe("Attempts after the first"),
  noFailover: z.boolean().describe("A known route never moves to another member"),
  stickySession: name.describe("Name of the session cookie; empty: no sticky sessions"),
  stickyPath: name.describe("Name of the path parameter"),
}) satisfies z.ZodType<BalancerSettings>;
export const balancerChangeSchema = balancerSettingsSchema.partial();
