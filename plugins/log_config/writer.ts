/**
 * Lines on their way to a log: gathered, and handed on in one piece when there are many or some time has passed. A log that
 * several children write to has them at once.
 */
import { type ErrorLog, flat, type LogSink, type Timeout, type TimerWheel } from "../../modules/mod.ts";

/** As much is handed on at once. */
const FULL_CHARS = 65_536;

/** One for each sink, whatever logs write to it: their lines stay in order. */
const writers = new WeakMap<LogSink, LogWriter>();

export class LogWriter implements Timeout {
  deadline = 0;
  slot = 0;
  private readonly sink: LogSink;
  private readonly wheel: TimerWheel;
  /** How late a line may be, milliseconds; 0: it is handed on as it comes. */
  private delayMs: number;
  private readonly name: string;
  private readonly log: ErrorLog;
  private lines = "";

  constructor(sink: LogSink, wheel: TimerWheel, delayMs: number, name: string, log: ErrorLog) {
    this.sink = sink;
    this.wheel = wheel;
    this.delayMs = delayMs;
    this.name = name;
    this.log = log;
  }

  /** The writer of a sink. */
  static of(sink: LogSink, wheel: TimerWheel, delayMs: number, name: string, log: ErrorLog): LogWriter {
    let writer = writers.get(sink);
    if (writer === undefined) {
      writer = new LogWriter(sink, wheel, delayMs, name, log);
      writers.set(sink, writer);
    }
    writer.delayMs = delayMs;
    return writer;
  }

  /** @param line with its end */
  write(line: string): void {
    // In one piece: the pieces would keep the heads of hundreds of requests.
    this.lines += flat(line);
    if (this.delayMs === 0 || this.lines.length >= FULL_CHARS) this.flush();
    else if (this.deadline === 0) this.wheel.arm(this, this.delayMs);
  }

  expire(): void {
    this.flush();
  }

  flush(): void {
    if (this.lines === "") return;
    const { lines } = this;
    this.lines = "";
    this.sink.write(lines);
    const dropped = this.sink.takeDropped?.() ?? 0;
    if (dropped > 0) {
      this.log.error("log_config", "", `${this.name} does not keep up: ${dropped} lines were dropped`);
    }
  }
}
