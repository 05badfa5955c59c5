/**
 * A typed client of `SetHandler sluice-api`, for Bun, Deno, Node and browsers.
 *
 *     const api = sluiceApi("http://127.0.0.1:8080/api");
 *     const state = await api.state();
 *     await api.setMember("app", state.balancers[0].members[0].id, { draining: true });
 */
import { hc } from "hono/client";
import type {
  AuditEntry,
  BalancerChange,
  BalancerSettings,
  BalancerState,
  Election,
  MemberChange,
  MemberSettings,
  MemberState,
  Preview,
} from "../../modules/mod.ts";
import type { Routes } from "./routes.ts";

export type {
  AuditEntry,
  BalancerChange,
  BalancerSettings,
  BalancerState,
  Election,
  MemberChange,
  MemberSettings,
  MemberState,
};

export interface ClientOptions {
  /** As Authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default the runtime's */
  readonly fetch?: typeof globalThis.fetch;
}

/** The API said no, or it is none. */
export class SluiceApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What the API gives, with the ETag for a write that must not overwrite another's. */
export interface Tagged<T> {
  readonly value: T;
  readonly etag: string;
}

/** The state as it is now, and the last elections of the child that answers. */
export interface StateEvent {
  readonly balancers: readonly BalancerState[];
  readonly elections: readonly Election[];
}

export type SluiceApi = ReturnType<typeof sluiceApi>;

/**
 * @param location the URL of the location whose handler is sluice-api. Balancers are named without balancer://, members by
 *   `MemberState.id`. All methods reject with SluiceApiError where the API refuses.
 */
export function sluiceApi(location: string, { headers = {}, fetch = globalThis.fetch }: ClientOptions = {}) {
  const base = `${location.replace(/\/+$/, "")}/v1`;
  const routes = hc<Routes>(base, {
    fetch,
    headers: { "Content-Type": "application/json", ...headers },
  });
  const balancers = routes.balancers[":balancer"];
  const members = balancers.members[":member"];
  const of = (balancer: string) => ({ param: { balancer } });
  const one = (balancer: string, member: string) => ({ param: { balancer, member } });
  const ifMatch = (etag?: string) => ({ headers: etag === undefined ? {} : { "If-Match": etag } });
  return {
    state: (): Promise<{ balancers: BalancerState[] }> => answer(routes.state.$get()),
    balancer: (balancer: string): Promise<BalancerState> => answer(balancers.$get(of(balancer))),
    member: (balancer: string, member: string): Promise<MemberState> => answer(members.$get(one(balancer, member))),
    audit: (): Promise<{ entries: AuditEntry[] }> => answer(routes.audit.$get()),
    undo: (): Promise<AuditEntry> => answer(routes.undo.$post()),
    balancerSettings: (balancer: string): Promise<Tagged<BalancerSettings>> =>
      tagged(balancers.settings.$get(of(balancer))),
    memberSettings: (balancer: string, member: string): Promise<Tagged<MemberSettings>> =>
      tagged(members.settings.$get(one(balancer, member))),
    /** @param etag refuse with 412 if the settings are not those any more */
    setBalancer: (balancer: string, json: BalancerChange, etag?: string): Promise<BalancerSettings> =>
      answer(balancers.settings.$patch({ ...of(balancer), json }, ifMatch(etag))),
    setMember: (balancer: string, member: string, json: MemberChange, etag?: string): Promise<MemberSettings> =>
      answer(members.settings.$patch({ ...one(balancer, member), json }, ifMatch(etag))),
    preview: (balancer: string, member: string, json: MemberChange): Promise<Preview> =>
      answer(members.preview.$post({ ...one(balancer, member), json })),
    addMember: (balancer: string, url: string, settings?: MemberChange): Promise<MemberState> =>
      answer(balancers.members.$post({ ...of(balancer), json: { url, ...(settings && { settings }) } })),
    removeMember: (balancer: string, member: string): Promise<AuditEntry> =>
      answer(members.$delete(one(balancer, member))),
    recover: (balancer: string, member: string): Promise<AuditEntry> =>
      answer(members.recover.$post(one(balancer, member))),
    check: (balancer: string, member: string): Promise<AuditEntry> =>
      answer(members.check.$post(one(balancer, member))),
    reset: (balancer: string, member?: string): Promise<AuditEntry> =>
      answer(member === undefined ? balancers.reset.$post(of(balancer)) : members.reset.$post(one(balancer, member))),
    /** What was changed, as lines of a configuration; "": nothing. */
    configLines: (balancer: string): Promise<{ lines: string }> => answer(balancers.config.$get(of(balancer))),
    /** Makes a balancer and its members what the configuration says. */
    forget: (balancer: string): Promise<{ entries: AuditEntry[] }> => answer(balancers.forget.$post(of(balancer))),
    /** The state now, and whenever it is another one, until the server ends the answer: it does when it is reloaded. */
    events: (signal?: AbortSignal): AsyncIterable<StateEvent> =>
      eventsOf(fetch(`${base}/events`, { headers, ...(signal && { signal }) })),
  };
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: Headers;
  json(): Promise<unknown>;
}

async function answer<T>(asked: Promise<Answer>): Promise<T> {
  return (await tagged<T>(asked)).value;
}

async function tagged<T>(asked: Promise<Answer>): Promise<Tagged<T>> {
  const response = await asked;
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  if (!response.ok) throw refusal(response.status, isJson ? await response.json() : null);
  if (!isJson) throw new SluiceApiError(response.status, NO_API);
  const body = await response.json();
  return { value: body as T, etag: response.headers.get("ETag") ?? "" };
}

const NO_API = "what answers is no sluice-api";

function refusal(status: number, body: unknown): SluiceApiError {
  const detail = (body as { detail?: string } | null)?.detail;
  return new SluiceApiError(status, detail ?? (status === 404 ? NO_API : `status ${status}`));
}

async function* eventsOf(asked: Promise<Response>): AsyncGenerator<StateEvent> {
  const response = await asked;
  if (!response.ok) throw refusal(response.status, await response.json().catch(() => null));
  if (response.body === null || !/^text\/event-stream/.test(response.headers.get("Content-Type") ?? ""))
    throw new SluiceApiError(response.status, NO_API);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (text + value).split("\n\n");
      text = parts.pop()!;
      for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6)) as StateEvent;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
