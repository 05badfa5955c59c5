/**
 * A log that the parent writes: of a program, of which there is one for all children, or of a file that only root may open.
 */
import type { LogLine, LogOrder, SharedLog } from "./log_order.ts";
import { isSyslog, type ProgramLog } from "./logs.ts";
import { send } from "./messages.ts";

export class SentLog implements ProgramLog, SharedLog {
  readonly stamps: boolean;
  readonly gathers = true;
  private readonly target: string;
  private readonly error: boolean;
  private readonly order: LogOrder;

  constructor(target: string, error: boolean, order: LogOrder) {
    this.target = target;
    this.error = error;
    this.order = order;
    this.stamps = isSyslog(target);
  }

  start(): void {
    this.put([], 0);
  }

  write(line: string, rank?: number): void {
    this.order.write(this, line, rank);
  }

  put(lines: readonly LogLine[], number: number): void {
    if (lines.length > 0) this.order.sending();
    send({ kind: "log", target: this.target, error: this.error, number, lines });
  }

  close(): void {
    this.order.flush();
  }
}
