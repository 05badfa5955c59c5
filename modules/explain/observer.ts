/**
 * A module that changes nothing and notes what the phases of a request come to.
 */
import { defineModule, type Module } from "../core/module.ts";
import type { RequestRec, SectionRec } from "../core/records.ts";
import { DECLINED, DONE, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "../proxy/attempt.ts";
import { preRequest, schemeHandler, sslBindOutgoing } from "../proxy/hooks.ts";
import { PassMatch, type ProxyPassRule } from "../proxy/pass.ts";
import { findBalancer } from "../proxy/server_state.ts";
import type { ProxyUrl } from "../proxy/url.ts";
import type { ProxyWorker } from "../proxy/worker.ts";
import { type Standing, standings } from "../proxy_balancer/elect.ts";
import * as hooks from "../server/hooks.ts";
import { matchingSections } from "../server/walk.ts";
import { watchdogNeed } from "../watchdog/hooks.ts";

/** How far a request came. */
export type Reached = "read" | "mapped" | "access" | "fixups" | "handler" | "backend";

/** One attempt at a backend. */
export interface AttemptStory {
  readonly standings: readonly Standing[];
  member: ProxyWorker | null;
  readonly attempt: ProxyAttempt;
}

/** One request; an internal redirect makes another one. */
export interface RequestStory {
  readonly r: RequestRec;
  reached: Reached;
  /** The rule that mapped it; null: none of ProxyPass. */
  rule: ProxyPassRule | null;
  /** As it is asked for: the balancer's, where it has one. */
  url: string;
  readonly attempts: AttemptStory[];
}

export class Story {
  readonly requests: RequestStory[] = [];

  /** Of the request at hand. */
  of(r: RequestRec): RequestStory {
    let story = this.requests.find((one) => one.r === r);
    if (story === undefined) {
      story = { r, reached: "read", rule: null, url: "", attempts: [] };
      this.requests.push(story);
    }
    return story;
  }
}

/**
 * @param asks the backend is about to be asked
 * @param wish told of a handler that is not run
 */
export function observer(
  story: Story,
  asks: (r: RequestRec, url: ProxyUrl) => void,
  wish: (what: string) => void,
): Module {
  /** Runs before what is of other modules. */
  const first = { rank: "reallyFirst" } as const;
  const reach = (reached: Reached) => (r: RequestRec) => {
    if (r.main === null) story.of(r).reached = reached;
    return DECLINED;
  };
  return defineModule({
    name: "mod_explain",
    registerHooks({ hook }) {
      hook(watchdogNeed, () => DONE, first); // nothing runs beside the request
      hook(hooks.postReadRequest, reach("read"), first);
      hook(hooks.mapToStorage, (r) => mapped(story, r), first);
      hook(hooks.satisfyAny, reach("access"), first);
      hook(hooks.fixups, reach("fixups"), first);
      hook(hooks.handler, (r) => handled(story, r, wish), first);
      hook(preRequest, (r, attempt) => election(story, r, attempt), first);
      hook(sslBindOutgoing, trusting(), first);
      hook(
        schemeHandler,
        (r: RequestRec, worker: ProxyWorker, url: ProxyUrl, _attempt: ProxyAttempt) =>
          chosen(story, r, worker, url, asks),
        first,
      );
    },
  }) as Module;
}

function mapped(story: Story, r: RequestRec): Status {
  if (r.main !== null) return DECLINED;
  const one = story.of(r);
  one.reached = "mapped";
  if (r.proxyreq === "none") return DECLINED;
  one.url = r.filename.slice(6);
  one.rule = r.mapped instanceof PassMatch ? r.mapped.rule : null;
  return DECLINED;
}

/** Handlers of this server may change something: what is not a step on the way to a backend is not run. */
function handled(story: Story, r: RequestRec, wish: (what: string) => void): Status {
  const one = story.of(r);
  one.reached = "handler";
  // mod_rewrite may have mapped it in fixups.
  if (r.proxyreq !== "none") one.url = r.filename.slice(6);
  else if (r.handler !== "" && r.handler !== "redirect-handler") {
    wish(`the handler ${r.handler}: taken to answer 200`);
    r.out.begin(0);
    r.out.end();
    return DONE;
  }
  return DECLINED;
}

function election(story: Story, r: RequestRec, attempt: ProxyAttempt): Status {
  const balancer = /^balancer:/i.test(attempt.url) ? findBalancer(r.server, attempt.url) : undefined;
  const before = balancer === undefined ? [] : standings(balancer, r, attempt.elected);
  story.of(r).attempts.push({ standings: before, member: null, attempt });
  return DECLINED;
}

/** A backend of paper has no certificate: whatever the others say of TLS, it is not asked for one. */
function trusting(): (r: RequestRec, url: ProxyUrl, attempt: ProxyAttempt) => Status {
  let inside = false;
  return (r, url, attempt) => {
    if (inside) return DECLINED;
    inside = true;
    const answer = sslBindOutgoing.run(r.server.process.hooks, r, url, attempt) as Status;
    inside = false;
    if (attempt.tls !== null) attempt.tls = { options: attempt.tls.options, check: () => null };
    return answer;
  };
}

function chosen(
  story: Story,
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  asks: (r: RequestRec, url: ProxyUrl) => void,
): Status {
  const one = story.of(r);
  one.reached = "backend";
  one.attempts.at(-1)!.member = worker;
  asks(r, url);
  return DECLINED;
}

/** The sections that match a request as it was mapped. */
export function sectionsOf(one: RequestStory): readonly SectionRec[] {
  return one.r.uri.startsWith("/") ? matchingSections(one.r, one.url === "" ? null : one.url) : [];
}
