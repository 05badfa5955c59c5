/**
 * Sends mutations of the hostile cases through a running server and judges by the reference alone: the backend sees
 * exactly the requests that the client sent and the server took, the client gets exactly the answers to them, and
 * nothing is left behind. Two halves: hostile clients before a good backend, hostile backends before good clients.
 */
import { createHash } from "node:crypto";
import { BACKEND_CASES } from "../wire/hostile/backend_cases.ts";
import { CLIENT_CASES } from "../wire/hostile/client_cases.ts";
import {
  type Answer,
  type Backend,
  type BackendRequest,
  body,
  chunked,
  close,
  early,
  head,
  ok,
  reset,
  type Step,
  startBackend,
  untilClose,
} from "./backend.ts";
import { type Client, connectClient } from "./client.ts";
import { GAUGE_CONF, readGaugeAtRest } from "./gauge.ts";
import { Chance, mutate } from "./mutate.ts";
import { type ReferenceRequest, readRequests, readResponses } from "./reference.ts";
import { currentRuntime, type Runtime, type Sluice, startSluice } from "./sluice.ts";

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** @default that of the caller */
  readonly runtime?: Runtime;
  /** Goes on to this case, whatever the time. @default 0 */
  readonly least?: number;
  /** Stops at this case, whatever the time. */
  readonly cases?: number;
}

export interface FuzzResult {
  readonly cases: number;
  readonly requests: number;
  readonly answered: number;
  /** Each with the number of its case, and the bytes. */
  readonly violations: readonly string[];
}

/** At once, on connections of their own to the same backends. */
const LANES = 8;
const MOST_BYTES = 3000;

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  await using good = await startBackend(answerWell);
  await using bad = await startBackend();
  await using sluice = await startSluice(
    `
    Listen 127.0.0.1:PORT
    ServerName front.test
    MaxKeepAliveRequests 0
    ${GAUGE_CONF}
    RequestHeader set X-Conn "expr=%{REMOTE_PORT}"
    ProxyPass "/f/" "${bad.url}/"
    <Proxy "balancer://good">
      BalancerMember "${good.url}"
    </Proxy>
    ProxyPass "/" "balancer://good/" nocanon
  `,
    { runtime: options.runtime ?? currentRuntime, children: "auto" },
  );
  return await new Fuzzer(options, sluice, good, bad).run();
}

class Fuzzer {
  private readonly options: FuzzOptions;
  private readonly sluice: Sluice;
  private readonly good: Backend;
  private readonly bad: Backend;
  private readonly violations: string[] = [];
  private readonly requestSeeds: readonly string[];
  private readonly answerSeeds: readonly Step[][];
  private cases = 0;
  private requests = 0;
  private answered = 0;
  private readonly byConnection = new Map<string, BackendRequest[]>();
  private seen = 0;

  constructor(options: FuzzOptions, sluice: Sluice, good: Backend, bad: Backend) {
    this.options = options;
    this.sluice = sluice;
    this.good = good;
    this.bad = bad;
    this.requestSeeds = CLIENT_CASES.flatMap((group) => group.cases.map((one) => one.send)).filter(isSmall);
    this.answerSeeds = BACKEND_CASES.flatMap((group) => group.cases.map((one) => one.answer)).map(stepsOf);
  }

  async run(): Promise<FuzzResult> {
    const until = Date.now() + this.options.seconds * 1000;
    const lane = async (): Promise<void> => {
      const { least = 0, cases = Infinity } = this.options;
      while ((Date.now() < until || this.cases < least) && this.violations.length < 10 && this.cases < cases) {
        const number = this.cases++;
        // Of its own for each case: the same seed and number are the same bytes.
        const chance = new Chance(this.options.seed * 1_000_003 + number);
        await (chance.once(2) ? this.clientCase(number, chance) : this.backendCase(number, chance)).catch(
          (error: Error) => this.violations.push(`case ${number}: ${error.message}`),
        );
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const { violations } = this;
    const left = await readGaugeAtRest(this.sluice.port).catch((error: Error) => error);
    if (left instanceof Error) violations.push(`the server does not answer: ${left.message}; ${this.sluice.stderr}`);
    else if (left.connections !== 1 || left.busy + left.inUse + left.waiting !== 0) {
      violations.push(`left behind: ${JSON.stringify(left)}`);
    }
    const crash = /^.*(request failed: |:crit\]|:emerg\]|:alert\]).*$/m.exec(this.sluice.errorLog);
    if (crash !== null) violations.push(`error log: ${crash[0]}`);
    return { cases: this.cases, requests: this.requests, answered: this.answered, violations };
  }

  // ---- hostile clients

  private async clientCase(number: number, chance: Chance): Promise<void> {
    let bytes = "";
    for (let i = 1 + chance.int(3); i > 0; i--) bytes += chance.of(this.requestSeeds);
    for (let i = chance.int(5); i > 0; i--) bytes = mutate(bytes, chance.of(this.requestSeeds), chance);
    const aborts = chance.once(10);
    await using client = await connectClient(this.sluice.port);
    const mine = String(client.raw.localPort);
    this.seenOf(mine); // of one before with this port, that left
    this.byConnection.delete(mine);
    for (const part of cut(bytes, chance)) {
      void client.send(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (aborts) {
      if (chance.once(2)) client.reset();
      else client.destroy();
      await client.untilClosed();
    } else {
      client.end();
      await client.untilEnded().catch(() => this.fail(number, "hangs", bytes, client));
    }
    const asked = readRequests(bytes);
    // One whose body broke off was taken back: that the backend sees, too.
    const seen = this.seenOf(mine).filter((request) => request.complete);
    this.byConnection.delete(mine);
    this.requests += asked.requests.length;
    try {
      if (aborts) judgeRequests(seen, asked.requests);
      else this.judge(client, asked, seen);
    } catch (error) {
      this.fail(number, (error as Error).message, bytes, client, seen);
    }
  }

  private judge(client: Client, asked: ReturnType<typeof readRequests>, seen: readonly BackendRequest[]): void {
    const { requests, rest } = asked;
    const answers = readResponses(client.received, asked);
    let k = 0;
    answers.forEach((answer, i) => {
      const request = requests[i];
      if (!answer.complete && i < answers.length - 1) throw new Error(`answer ${i} is cut, and another follows`);
      if (request === undefined) {
        if (i > requests.length || rest === "nothing") throw new Error(`answer ${i} is for nothing`);
        // What the server answers itself, as TRACE, it may answer before it has read the body.
        if (answer.body.startsWith("#")) throw new Error("what is no request got an answer of the backend");
        if (i < answers.length - 1) throw new Error("an answer behind a refusal");
        return;
      }
      const backend = seen[k];
      const tagged = answer.body.startsWith("#") || (request.method === "HEAD" && answer.status === 200);
      if (!tagged) return;
      if (backend === undefined) throw new Error(`answer ${i} is of no request of this connection`);
      k++;
      this.answered++;
      judgeRequest(backend, request);
      if (request.method !== "HEAD" && answer.body !== tagOf(backend))
        throw new Error(`answer ${i} is somebody else's`);
    });
    const last = answers.at(-1);
    if (k < seen.length) throw new Error(`the backend saw ${seen.length} requests, ${k} answers came`);
    if (last?.closes === false && answers.length < requests.length)
      throw new Error(`request ${answers.length} got no answer`);
    if (answers.length === 0 && requests.length > 0) throw new Error("no answer at all");
  }

  private seenOf(connection: string): readonly BackendRequest[] {
    for (; this.seen < this.good.requests.length; this.seen++) {
      const request = this.good.requests[this.seen]!;
      const key = request.field("x-conn") ?? "";
      const list = this.byConnection.get(key);
      if (list === undefined) this.byConnection.set(key, [request]);
      else list.push(request);
    }
    return this.byConnection.get(connection) ?? [];
  }

  // ---- hostile backends

  private async backendCase(number: number, chance: Chance): Promise<void> {
    const mark = `<${number}>`;
    const steps = chance
      .of(this.answerSeeds)
      .map((step) => (typeof step === "string" ? step.replaceAll("hello", mark) : step));
    for (let i = chance.int(4); i > 0; i--) {
      const at = chance.int(steps.length);
      const step = steps[at]!;
      const donor = chance.of(this.answerSeeds).find((one) => typeof one === "string") ?? "";
      if (typeof step === "string") steps[at] = mutate(step, String(donor).replaceAll("hello", mark), chance);
    }
    // It ends, whatever it is: what it lacks is not waited for.
    steps.push(chance.once(4) ? reset : close);
    const path = `/${number}`;
    this.bad.routes = { ...this.bad.routes, [path]: steps };
    await using client = await connectClient(this.sluice.port);
    void client.send(`GET /f${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    if (chance.once(8)) {
      await new Promise((resolve) => setImmediate(resolve));
      client.destroy();
      return;
    }
    client.end();
    await client.untilEnded().catch(() => this.fail(number, "hangs", show(steps), client));
    try {
      const answers = readResponses(client.received, ONE_GET);
      if (answers.length > 1) throw new Error(`${answers.length} answers to one request`);
      for (const [other] of client.received.matchAll(/<\d+>/g)) {
        if (other !== mark && !show(steps).includes(other)) throw new Error(`it has ${other} of another answer`);
      }
    } catch (error) {
      this.fail(number, (error as Error).message, show(steps), client);
    }
  }

  private fail(
    number: number,
    what: string,
    bytes: string,
    client: Client,
    seen: readonly BackendRequest[] = [],
  ): void {
    const backend = seen.map((request) => JSON.stringify(request.head + request.text)).join("\n    ");
    this.violations.push(
      `case ${number}: ${what}\n  sent ${JSON.stringify(bytes)}\n  received ${JSON.stringify(client.received)}\n  backend saw ${backend}`,
    );
  }
}

const ONE_GET = readRequests("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

/** What the server and the proxy add or make anew. */
const ADDED = new Set(
  "host x-conn x-forwarded-for x-forwarded-host x-forwarded-server content-length transfer-encoding connection expect max-forwards".split(
    " ",
  ),
);

/** The requests of a client that left: each must be one of those it sent, in order, though not all arrive. */
function judgeRequests(seen: readonly BackendRequest[], asked: readonly ReferenceRequest[]): void {
  let at = 0;
  for (const request of seen) {
    while (at < asked.length && !matches(request, asked[at]!)) at++;
    if (at++ >= asked.length) throw new Error(`the backend saw ${request.method} ${request.target}, which nobody sent`);
  }
}

function matches(request: BackendRequest, asked: ReferenceRequest): boolean {
  try {
    judgeRequest(request, asked);
    return true;
  } catch {
    return false;
  }
}

function judgeRequest(request: BackendRequest, asked: ReferenceRequest): void {
  if (request.method !== asked.method) throw new Error(`${asked.method} became ${request.method}`);
  if (request.text !== asked.body) throw new Error("the body became another one");
  for (const [name] of request.fields) {
    if (!asked.names.has(name.toLowerCase()) && !ADDED.has(name.toLowerCase())) throw new Error(`nobody sent ${name}`);
  }
  // Paths that are not canonical arrive in another form.
  if (/^[\w/.~!$&'()*,;=:@-]*(\?.*)?$/.test(asked.target) && !/\/\.|\/\//.test(asked.target)) {
    if (request.target !== asked.target) throw new Error(`${asked.target} became ${request.target}`);
  }
}

function answerWell(request: BackendRequest): Answer {
  const tag = (): string => tagOf(request);
  if (request.method === "HEAD") return head(200, "Content-Length: 7");
  const steps: Step[] = request.field("expect") === undefined ? [] : [early, head(100), body];
  const shape = request.target.length % 4;
  const answer = (): readonly Step[] => {
    if (shape === 0) return [chunked([tag().slice(0, 3), tag().slice(3)])];
    return shape === 1 ? untilClose(tag()) : [ok(tag())];
  };
  return [
    ...steps,
    async (connection) => {
      for (const step of answer()) {
        if (typeof step === "function") await step(connection, request);
        else await connection.write(step);
      }
    },
  ];
}

function tagOf(request: BackendRequest): string {
  const sum = createHash("sha1").update(request.body).digest("hex").slice(0, 8);
  return `#${request.method} ${request.target} ${request.field("x-conn")} ${sum}`;
}

function isSmall(text: string): boolean {
  return text.length < MOST_BYTES;
}

/** The steps of an answer that are small or no bytes at all. */
function stepsOf(answer: Answer): Step[] {
  const steps = typeof answer === "string" ? [answer] : typeof answer === "function" ? [] : [...answer];
  return steps.filter((step) =>
    typeof step === "string" ? isSmall(step) : step === early || step === close || step === reset,
  );
}

function cut(text: string, chance: Chance): string[] {
  const parts: string[] = [];
  let rest = text;
  for (let i = chance.once(2) ? chance.int(4) : 0; i > 0 && rest.length > 1; i--) {
    const at = 1 + chance.int(rest.length - 1);
    parts.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  return [...parts, rest];
}

function show(steps: readonly Step[]): string {
  return steps.map((step) => (typeof step === "string" ? step : `{${(step as { name?: string }).name}}`)).join("");
}
