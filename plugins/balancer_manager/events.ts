/**
 * Server-sent events: the state of a server's balancers now, after each action, and each second if it is another one.
 */
import {
  DONE,
  type Election,
  lookElsewhere,
  onAction,
  type RequestRec,
  type ResponseWatcher,
  type Status,
  serverState,
  type Timer,
} from "../../modules/mod.ts";
import { electionsEverywhere, lastElections } from "./elections.ts";

const EVERY_MS = 1000;
/** A comment goes out after so many ticks without an event, so that nothing on the way takes the connection for dead. */
const SILENT_TICKS = 15;

/** Answers with events until the client leaves, or the server stops or reads its configuration anew. */
export function answerEvents(r: RequestRec): Promise<Status> {
  r.headersOut.set("Content-Type", "text/event-stream");
  r.headersOut.set("Cache-Control", "no-store");
  return new Promise((resolve) => new EventStream(r, () => resolve(DONE)).start());
}

class EventStream implements ResponseWatcher {
  private readonly r: RequestRec;
  private readonly done: () => void;
  private readonly cleanups: (() => void)[] = [];
  private timer: Timer = null;
  private last = "";
  private silent = 0;
  private blocked = false;
  private ended = false;
  /** The other children are being asked; and again, once they have answered. */
  private asking = false;
  private again = false;

  constructor(r: RequestRec, done: () => void) {
    this.r = r;
    this.done = done;
  }

  start(): void {
    const { r } = this;
    r.out.watcher = this;
    r.out.begin(-1);
    this.cleanups.push(onAction(r.server, () => this.send()));
    this.send();
    this.wait();
  }

  onClientDrain(): void {
    this.blocked = false;
  }

  onClientGone(): void {
    this.end();
  }

  private wait(): void {
    this.timer = this.r.conn.process.clock.setTimer(() => this.tick(), EVERY_MS);
  }

  private tick(): void {
    if (this.r.conn.process.stopping) {
      this.r.out.end();
      this.end();
      return;
    }
    this.send();
    if (!this.ended) this.wait();
  }

  /** Nothing is queued for a client that does not read: it gets what is true once it does. */
  private send(): void {
    if (this.blocked || this.ended) return;
    const { server } = this.r;
    const looked = lookElsewhere(server.process);
    if (looked === null) this.write(lastElections(server));
    else void this.sendOfAll(looked);
  }

  private async sendOfAll(looked: Promise<void>): Promise<void> {
    this.again = this.asking;
    if (this.asking) return;
    this.asking = true;
    const [elections] = await Promise.all([electionsEverywhere(this.r.server), looked]);
    this.asking = false;
    this.write(elections);
    if (this.again) this.send();
  }

  private write(elections: readonly Election[]): void {
    if (this.blocked || this.ended) return;
    const text = JSON.stringify({ balancers: serverState(this.r.server), elections });
    if (text !== this.last) {
      this.last = text;
      this.silent = 0;
      this.blocked = !this.r.out.writeText(`data: ${ascii(text)}\n\n`);
    } else if (++this.silent >= SILENT_TICKS) {
      this.silent = 0;
      this.blocked = !this.r.out.writeText(": still here\n\n");
    }
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.r.conn.process.clock.clearTimer(this.timer);
    for (const cleanup of this.cleanups) cleanup();
    this.done();
  }
}

/** JSON without a byte that could be read as part of UTF-8. */
function ascii(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
