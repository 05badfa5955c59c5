/**
 * What a child asks of all others: whoever started them passes it on, and gathers what they answer.
 */
import type { ChildThread } from "./child_thread.ts";

/** Who is busy for longer is left out: whoever asked must not wait for one that hangs. */
const WAIT_MS = 500;

interface Inquiry {
  readonly asker: ChildThread;
  /** The asker's number of it. */
  readonly id: number;
  readonly open: Set<ChildThread>;
  readonly values: unknown[];
  readonly limit: ReturnType<typeof setTimeout>;
}

export class Inquiries {
  private readonly inquiries = new Map<number, Inquiry>();
  private last = 0;

  begin(asker: ChildThread, id: number, others: readonly ChildThread[], topic: string, question: unknown): void {
    const number = ++this.last;
    const limit = setTimeout(() => this.end(number), WAIT_MS);
    this.inquiries.set(number, { asker, id, open: new Set(others), values: [], limit });
    for (const other of others) other.send({ kind: "asked", id: number, topic, question });
    if (others.length === 0) this.end(number);
  }

  answered(from: ChildThread, number: number, value: unknown): void {
    const inquiry = this.inquiries.get(number);
    if (inquiry === undefined || !inquiry.open.delete(from)) return;
    inquiry.values.push(value);
    if (inquiry.open.size === 0) this.end(number);
  }

  /** A child is gone: it answers nothing any more. */
  forget(child: ChildThread): void {
    for (const [number, { open }] of this.inquiries) if (open.delete(child) && open.size === 0) this.end(number);
  }

  private end(number: number): void {
    const { asker, id, values, limit } = this.inquiries.get(number)!;
    clearTimeout(limit);
    this.inquiries.delete(number);
    asker.send({ kind: "answers", id, values });
  }
}
