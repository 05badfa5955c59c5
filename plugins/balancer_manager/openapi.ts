/** The OpenAPI document of the API. */
import { z } from "zod";
import { auditEntry, balancerState, memberState, newMember, preview, problem } from "./api_schema.ts";
import {
  balancerChangeSchema,
  balancerSettingsSchema,
  memberChangeSchema,
  memberSettingsSchema,
} from "./settings_schema.ts";

const SCHEMAS = {
  State: z.object({ balancers: z.array(balancerState) }),
  Balancer: balancerState,
  BalancerSettings: balancerSettingsSchema,
  BalancerChange: balancerChangeSchema,
  Member: memberState,
  MemberSettings: memberSettingsSchema,
  MemberChange: memberChangeSchema,
  NewMember: newMember,
  Preview: preview,
  AuditEntry: auditEntry,
  Audit: z.object({ entries: z.array(auditEntry) }),
  ConfigLines: z.object({ lines: z.string() }),
  Problem: problem,
} as const;
type Name = keyof typeof SCHEMAS;

interface Operation {
  readonly summary: string;
  readonly answers: Name | null;
  readonly takes?: Name;
  readonly status?: 201;
  /** If-Match is heeded. */
  readonly conditional?: true;
}

const MEMBER = "/balancers/{balancer}/members/{member}";

/** Path → method → what it does. */
const OPERATIONS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  "/openapi.json": { get: { summary: "This document", answers: null } },
  "/state": { get: { summary: "All balancers of the server", answers: "State" } },
  "/audit": { get: { summary: "What was changed, by whom; the newest first", answers: "Audit" } },
  "/undo": { post: { summary: "Takes back the last change", answers: "AuditEntry" } },
  "/balancers/{balancer}": { get: { summary: "One balancer", answers: "Balancer" } },
  "/balancers/{balancer}/settings": {
    get: { summary: "Its settings", answers: "BalancerSettings" },
    patch: { summary: "Changes some", takes: "BalancerChange", answers: "BalancerSettings", conditional: true },
  },
  "/balancers/{balancer}/config": {
    get: { summary: "What was changed, as lines of a configuration", answers: "ConfigLines" },
  },
  "/balancers/{balancer}/forget": {
    post: { summary: "Makes it and its members what the configuration says", answers: "Audit" },
  },
  "/balancers/{balancer}/reset": { post: { summary: "Zeroes the counters of all members", answers: "AuditEntry" } },
  "/balancers/{balancer}/members": {
    post: {
      summary: "Adds a member, disabled; growth= makes room",
      takes: "NewMember",
      answers: "Member",
      status: 201,
    },
  },
  [MEMBER]: {
    get: { summary: "One member", answers: "Member" },
    delete: { summary: "Takes out a member that was added while the server runs", answers: "AuditEntry" },
  },
  [`${MEMBER}/settings`]: {
    get: { summary: "Its settings", answers: "MemberSettings" },
    patch: { summary: "Changes some", takes: "MemberChange", answers: "MemberSettings", conditional: true },
  },
  [`${MEMBER}/preview`]: {
    post: { summary: "What a change would do; nothing is changed", takes: "MemberChange", answers: "Preview" },
  },
  [`${MEMBER}/recover`]: { post: { summary: "Ends its error state now", answers: "AuditEntry" } },
  [`${MEMBER}/check`]: { post: { summary: "Runs its health check now", answers: "AuditEntry" } },
  [`${MEMBER}/reset`]: { post: { summary: "Zeroes its counters", answers: "AuditEntry" } },
};

export function openApi(): Record<string, unknown> {
  const paths = Object.entries(OPERATIONS).map(([path, methods]) => {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const parameters = names.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
      description: name === "balancer" ? "NAME of balancer://NAME" : "The member's id",
    }));
    const operations = Object.entries(methods).map(([method, operation]) => [method, describe(operation)]);
    return [path, { parameters, ...Object.fromEntries(operations) }];
  });
  return {
    openapi: "3.1.0",
    info: { title: "sluice-api", version: "1", description: "The balancers of a sluice server: state and actions" },
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  };
}

function describe({ summary, answers, takes, status = undefined, conditional }: Operation): Record<string, unknown> {
  const content = answers === null ? {} : { content: { "application/json": { schema: reference(answers) } } };
  const failure = {
    description: "The reason why not",
    content: { "application/problem+json": { schema: reference("Problem") } },
  };
  const header = { name: "If-Match", in: "header", schema: { type: "string" }, description: "ETag of the settings" };
  return {
    summary,
    ...(conditional === true ? { parameters: [header] } : {}),
    ...(takes === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: reference(takes) } } } }),
    responses: { [status ?? 200]: { description: summary, ...content }, default: failure },
  };
}

function reference(name: Name): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

function jsonSchema(schema: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema);
  return rest;
}
