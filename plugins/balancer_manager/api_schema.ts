/** What the API takes and gives, as schemas: requests are checked against them, and the OpenAPI document shows them. */
import { z } from "zod";
import type { AuditEntry, BalancerState, MemberState, Preview } from "../../modules/mod.ts";
import {
  balancerChangeSchema,
  balancerSettingsSchema,
  memberChangeSchema,
  memberSettingsSchema,
} from "./settings_schema.ts";

export const newMember = z.strictObject({
  url: z.string().min(1).describe("http://HOST:PORT, or unix:PATH|http://NAME"),
  settings: memberChangeSchema.optional().describe("It begins disabled, unless disabled is false here"),
});

const finding = z.object({
  sinceMs: z.number(),
  untilMs: z.number().nullable().describe("null: until something else ends it"),
  reason: z.string(),
});
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const change = z.object({ name: z.string(), before: scalar, after: scalar });
const checkResult = z.object({ atMs: z.number(), tookMs: z.number(), passed: z.boolean(), reason: z.string() });

export const memberState = z.object({
  id: z.string().describe("Names the member in paths"),
  url: z.string(),
  scheme: z.string(),
  host: z.string(),
  port: z.number(),
  status: z.string().describe("As httpd prints it"),
  usable: z.boolean(),
  added: z.boolean().describe("It came while the server runs"),
  drained: z.boolean().describe("It gets no new requests and has none left"),
  share: z.number().describe("Its part of the next requests without session, by the load factors, 0 to 1"),
  settings: memberSettingsSchema,
  configured: z.string().describe("Letters of status= in the configuration"),
  changed: z.array(change).readonly().describe("What is otherwise than the configuration says"),
  administrative: z.object({ set: z.string(), cleared: z.string() }).describe("Letters changed since"),
  observed: z.object({ error: finding.nullable(), check: finding.nullable(), panic: z.boolean() }),
  elected: z.number(),
  busy: z.number().describe("Requests at hand"),
  lbstatus: z.number(),
  transferred: z.number().describe("Bytes to it"),
  read: z.number().describe("Bytes from it"),
  retries: z.number(),
  errorTimeMs: z.number(),
  traffic: z
    .object({ requests: z.number(), errors: z.number(), seconds: z.number(), failures: z.number() })
    .nullable()
    .describe("Requests that ended, those with a 5xx, seconds that they took, attempts that failed; null: not counted"),
  pool: z.object({ inUse: z.number(), idle: z.number(), waiting: z.number(), max: z.number().nullable() }),
  check: z.object({ passed: z.number(), failed: z.number(), results: z.array(checkResult).readonly() }).nullable(),
}) satisfies z.ZodType<MemberState>;

export const balancerState = z.object({
  name: z.string().describe("balancer://NAME"),
  path: z.string(),
  settings: balancerSettingsSchema,
  changed: z.array(change).readonly().describe("What is otherwise than the configuration says"),
  maxMembers: z.number(),
  members: z.array(memberState).readonly(),
}) satisfies z.ZodType<BalancerState>;

export const preview = z.object({
  changes: z.array(change).readonly(),
  shares: z.array(z.object({ member: z.string(), before: z.number(), after: z.number() })).readonly(),
}) satisfies z.ZodType<Preview>;

const named = { balancer: z.string() };
const action = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("set-member"), ...named, member: z.string(), settings: memberChangeSchema }),
  z.object({ kind: z.literal("set-balancer"), ...named, settings: balancerChangeSchema }),
  z.object({ kind: z.literal("add-member"), ...named, url: z.string(), settings: memberChangeSchema.optional() }),
  z.object({ kind: z.literal("remove-member"), ...named, member: z.string() }),
  z.object({ kind: z.literal("recover"), ...named, member: z.string() }),
  z.object({ kind: z.literal("check"), ...named, member: z.string() }),
  z.object({ kind: z.literal("reset"), ...named, member: z.string().optional() }),
]);

export const auditEntry = z.object({
  id: z.number(),
  atMs: z.number(),
  actor: z.object({ user: z.string().nullable(), address: z.string(), via: z.enum(["manager", "api"]) }),
  server: z.string(),
  action,
  changes: z.array(change).readonly(),
  inverse: action.nullable().describe("The action that takes it back"),
  undoneBy: z.number().nullable(),
}) satisfies z.ZodType<AuditEntry>;
/** RFC 9457. */
export const problem = z.object({ title: z.string(), status: z.number(), detail: z.string() });
