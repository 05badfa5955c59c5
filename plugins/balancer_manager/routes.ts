/**
 * The routes of `SetHandler sluice-api`, below LOCATION/v1: the same state and actions as the manager's, for programs.
 *
 * Reads carry an ETag. A write with If-Match is done only if the settings are still those that the client saw.
 */
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { validator } from "hono/validator";
import type { z } from "zod";
import {
  type Action,
  type Actor,
  auditLog,
  balancerSettings,
  balancerState,
  configLines,
  findBalancer,
  forgetOverrides,
  isCrossSite,
  lookElsewhere,
  memberId,
  memberSettings,
  type Outcome,
  type ProxyBalancer,
  type ProxyWorker,
  perform,
  previewMember,
  type RequestRec,
  serverState,
  undo,
} from "../../modules/mod.ts";
import { newMember } from "./api_schema.ts";
import { openApi } from "./openapi.ts";
import { balancerChangeSchema, memberChangeSchema } from "./settings_schema.ts";

type Env = { Bindings: { r: RequestRec } };
type Ctx = Context<Env>;

/** An answer that is no 2xx. */
class Problem extends Error {
  readonly status: 400 | 403 | 404 | 409 | 412 | 415;

  constructor(status: Problem["status"], detail: string) {
    super(detail);
    this.status = status;
  }
}

const TITLES: Readonly<Record<Problem["status"], string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  412: "Precondition Failed",
  415: "Unsupported Media Type",
};

export const routes = new Hono<Env>()
  .use(async (c, next) => {
    if (c.req.method !== "GET") refuseForeign(c);
    await next();
    // When the other children answer, they have made the change, too.
    if (c.req.method !== "GET") await lookElsewhere(server(c).process);
    await addETag(c);
  })
  .get("/openapi.json", (c) => c.json(openApi()))
  .get("/state", (c) => c.json({ balancers: serverState(server(c)) }))
  .get("/audit", (c) => c.json({ entries: auditLog(server(c).process).of(server(c)) }))
  .post("/undo", (c) => c.json(entryOf(undo(server(c), actor(c)))))
  .get("/balancers/:balancer", (c) => c.json(balancerState(server(c), balancerOf(c))))
  .get("/balancers/:balancer/settings", (c) => c.json(balancerSettings(balancerOf(c))))
  .patch("/balancers/:balancer/settings", checked(balancerChangeSchema), (c) => {
    const balancer = balancerOf(c);
    ifMatch(c, balancerSettings(balancer));
    act(c, { kind: "set-balancer", balancer: balancer.name, settings: c.req.valid("json") });
    return c.json(balancerSettings(balancer));
  })
  .get("/balancers/:balancer/config", (c) => c.json({ lines: configLines(balancerOf(c)) }))
  .post("/balancers/:balancer/forget", (c) => {
    return c.json({ entries: forgetOverrides(server(c), actor(c), balancerOf(c)).map(entryOf) });
  })
  .post("/balancers/:balancer/reset", (c) => c.json(act(c, { kind: "reset", balancer: balancerOf(c).name })))
  .post("/balancers/:balancer/members", checked(newMember), (c) => {
    const balancer = balancerOf(c);
    act(c, { kind: "add-member", balancer: balancer.name, ...c.req.valid("json") });
    return c.json(memberStateOf(c, balancer, balancer.members.at(-1)!), 201);
  })
  .get("/balancers/:balancer/members/:member", (c) => c.json(memberStateOf(c, balancerOf(c), memberOf(c))))
  .delete("/balancers/:balancer/members/:member", (c) => c.json(act(c, about(c, "remove-member"))))
  .get("/balancers/:balancer/members/:member/settings", (c) => c.json(memberSettings(memberOf(c))))
  .patch("/balancers/:balancer/members/:member/settings", checked(memberChangeSchema), (c) => {
    const member = memberOf(c);
    ifMatch(c, memberSettings(member));
    const settings = c.req.valid("json");
    act(c, { kind: "set-member", balancer: balancerOf(c).name, member: member.displayName, settings });
    return c.json(memberSettings(member));
  })
  .post("/balancers/:balancer/members/:member/preview", checked(memberChangeSchema), (c) => {
    return c.json(previewMember(balancerOf(c), memberOf(c), c.req.valid("json")));
  })
  .post("/balancers/:balancer/members/:member/recover", (c) => c.json(act(c, about(c, "recover"))))
  .post("/balancers/:balancer/members/:member/check", (c) => c.json(act(c, about(c, "check"))))
  .post("/balancers/:balancer/members/:member/reset", (c) => c.json(act(c, about(c, "reset"))));

/** What a typed client is made of. */
export type Routes = typeof routes;

routes.onError((error, c) => {
  if (error instanceof Problem) return problem(error.status, error.message);
  if (error instanceof HTTPException) return problem(400, error.message); // a body that is no JSON
  const { r } = c.env as Env["Bindings"];
  r.log.crit("sluice_api", "", `${r.method} ${r.uri}: ${error.stack ?? error.message}`);
  return new Response(null, { status: 500 });
});
routes.notFound(() => problem(404, "there is no such resource; openapi.json lists them"));

function problem(status: Problem["status"], detail: string): Response {
  const body = JSON.stringify({ title: TITLES[status], status, detail });
  return new Response(body, { status, headers: { "Content-Type": "application/problem+json" } });
}

/** A page of another host can make a browser send simple requests; none of them is JSON, and browsers say where they come from. */
function refuseForeign(c: Ctx): void {
  if (isCrossSite(c.env.r)) throw new Problem(403, "the request comes from a page of another host");
  const isJson = /^application\/json\s*(;|$)/i.test(c.req.header("Content-Type") ?? "");
  if (c.req.method !== "DELETE" && !isJson) throw new Problem(415, "Content-Type must be application/json");
}

function checked<S extends z.ZodType>(schema: S) {
  return validator("json", (value): z.output<S> => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
    throw new Problem(400, issues.join("; "));
  });
}

function server(c: Ctx) {
  return c.env.r.server;
}

function actor({ env: { r } }: Ctx): Actor {
  return { user: r.user, address: r.useragentIp, via: "api" };
}

function balancerOf(c: Ctx): ProxyBalancer {
  const name = c.req.param("balancer") ?? "";
  const balancer = findBalancer(server(c), `balancer://${name}`);
  if (balancer === undefined) throw new Problem(404, `there is no balancer://${name}`);
  return balancer;
}

function memberOf(c: Ctx): ProxyWorker {
  const balancer = balancerOf(c);
  const id = c.req.param("member");
  const member = balancer.members.find((one) => memberId(server(c), one) === id);
  if (member === undefined) throw new Problem(404, `${balancer.name} has no member with the id ${id}`);
  return member;
}

function memberStateOf(c: Ctx, balancer: ProxyBalancer, member: ProxyWorker) {
  return balancerState(server(c), balancer).members[balancer.members.indexOf(member)]!;
}

function about(c: Ctx, kind: "remove-member" | "recover" | "check" | "reset"): Action {
  return { kind, balancer: balancerOf(c).name, member: memberOf(c).displayName };
}

function act(c: Ctx, action: Action) {
  return entryOf(perform(server(c), actor(c), action));
}

function entryOf(outcome: Outcome) {
  if ("refusal" in outcome) throw new Problem(outcome.refusal.status, outcome.refusal.error);
  return outcome.entry;
}

function ifMatch(c: Ctx, settings: object): void {
  const wanted = c.req.header("If-Match");
  if (wanted === undefined || wanted.trim() === "*") return;
  const tags = wanted.split(",").map((tag) => tag.trim());
  if (!tags.includes(etag(c, JSON.stringify(settings))))
    throw new Problem(412, "the settings are others than those with this ETag");
}

async function addETag(c: Ctx): Promise<void> {
  if (c.res.status !== 200) return;
  const tag = etag(c, await c.res.clone().text());
  const known = c.req.header("If-None-Match")?.split(",") ?? [];
  const isKnown = known.some((one) => one.trim().replace(/^W\//, "") === tag || one.trim() === "*");
  if (c.req.method === "GET" && isKnown) c.res = new Response(null, { status: 304 });
  c.res.headers.set("ETag", tag);
}

function etag(c: Ctx, text: string): string {
  return `"${server(c).process.host.digest("sha1", text).slice(0, 20)}"`;
}
