/**
 * What children say to each other, and the lines of logs that their parent writes: it passes both on.
 */
import type { Logs } from "../server/load.ts";
import type { ChildThread } from "./child_thread.ts";
import { Inquiries } from "./inquiries.ts";
import { ArrivalOrder, orderCells } from "./log_order.ts";
import type { FromChild, SentLines, ToChild } from "./messages.ts";

/** Operators do not act more often. */
const MOST_KEPT = 1000;

/** What a child says to others, or to be written. */
export type Call = Extract<FromChild, { kind: "tell" | "ask" | "answer" | "log" }>;

export class Switchboard {
  /** For each child, see LogOrder. */
  readonly logOrder = orderCells();
  private readonly arrivals = new ArrivalOrder(this.logOrder);
  private readonly inquiries = new Inquiries();
  /** What children that come later must know. */
  private kept: ToChild[] = [];
  private readonly logs: () => Logs;
  private readonly warn: (text: string) => void;

  /** @param logs of the generation that serves */
  constructor(logs: () => Logs, warn: (text: string) => void) {
    this.logs = logs;
    this.warn = warn;
  }

  /** @param others who serve beside it, those included that end */
  pass(from: ChildThread, call: Call, others: readonly ChildThread[]): void {
    switch (call.kind) {
      case "tell": {
        const told: ToChild = { kind: "told", topic: call.topic, message: call.message };
        for (const other of others) if (!other.retiring) other.send(told);
        if (call.keep && this.kept.push(told) > MOST_KEPT) this.kept.shift();
        break;
      }
      case "ask":
        this.inquiries.begin(from, call.id, others, call.topic, call.question);
        break;
      case "answer":
        this.inquiries.answered(from, call.id, call.value);
        break;
      case "log":
        if (call.lines.length === 0) this.write(call);
        else this.arrivals.add(from.seat, call.number, () => this.write(call));
    }
  }

  /** Tells a new child what was said before it came. */
  catchUp(child: ChildThread): void {
    for (const told of this.kept) child.send(told);
  }

  /** A reload: what operators did is taken back, or in a file. */
  startAfresh(): void {
    this.kept = [];
  }

  /** A child is gone. */
  forget(child: ChildThread): void {
    this.inquiries.forget(child);
    this.arrivals.forget(child.seat);
  }

  private write({ target, error, lines }: SentLines): void {
    const logs = this.logs();
    try {
      const sink = error ? logs.openErrorLog(target) : logs.openLog(target);
      for (const [line, rank] of lines) sink.write(line, rank);
    } catch (failure) {
      // A reload has dropped the log, and User may not open its file any more.
      this.warn(`${lines.length} lines are lost: ${(failure as Error).message}`);
    }
  }
}
