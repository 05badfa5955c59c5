/**
 * The order of the lines that several children write to one log. A client that has its answer may ask another child at once, which
 * may be done before the first one has written its line, as the processor may go elsewhere right behind the answer.
 *
 * So a child draws a number before the first bytes of a turn of its event loop leave for a client, and shows it to the others until
 * the lines of that turn are written. It writes at the end of the turn, unless another child shows a lower number: then its lines
 * wait for that one's. Who was answered before another request began has the lower number, whatever the processors do.
 */
import { MOST_CHILDREN } from "../core/siblings.ts";

/** Between looks at the others. */
const LOOK_MS = 1;
/** A child that hangs is not waited for. */
const MOST_WAIT_MS = 1000;

/** The number that was drawn last, how many seats are in use; of each seat its number (0: none), and how much it has sent. */
const DRAWN = 0;
const SEATS = 1;
const FIRST = 2;
const SENT = FIRST + MOST_CHILDREN;

export type LogLine = readonly [line: string, rank: number | undefined];

/** A log that children share. */
export interface SharedLog {
  /** Takes the lines of the turn that drew this number. */
  put(lines: readonly LogLine[], number: number): void;
}

type Lines = Map<SharedLog, LogLine[]>;

interface Turn {
  readonly number: number;
  readonly lines: Lines;
  readonly endedMs: number;
}

/** The memory of all children's numbers. */
export function orderCells(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * (SENT + MOST_CHILDREN)));
}

export class LogOrder {
  private readonly cells: Int32Array;
  private readonly cell: number;
  private readonly atEnd: (call: () => void) => void;
  /** Of the turn at hand; 0: none was drawn. */
  private number = 0;
  private lines: Lines = new Map();
  /** Turns that wait for another child's. */
  private readonly waiting: Turn[] = [];
  private looking = false;

  /** @param atEnd calls at the end of the turn of the event loop */
  constructor(cells: Int32Array, seat: number, atEnd: (call: () => void) => void = setImmediate) {
    this.cells = cells;
    this.cell = FIRST + seat;
    this.atEnd = atEnd;
    while (Atomics.load(cells, SEATS) <= seat) Atomics.add(cells, SEATS, 1);
  }

  /** Bytes are about to leave for a client. */
  readonly draw = (): void => {
    if (this.number !== 0) return;
    const { cells } = this;
    // 0 is nobody's.
    do this.number = (Atomics.add(cells, DRAWN, 1) + 1) | 0;
    while (this.number === 0);
    if (this.waiting.length === 0) Atomics.store(cells, this.cell, this.number);
    this.atEnd(this.turned);
  };

  write(log: SharedLog, line: string, rank?: number): void {
    this.draw();
    const lines = this.lines.get(log);
    if (lines === undefined) this.lines.set(log, [[line, rank]]);
    else lines.push([line, rank]);
  }

  /** Writes everything, in whatever order: the child ends, or the log does. */
  flush(): void {
    for (const { number, lines } of this.waiting.splice(0)) put(lines, number);
    put(this.lines, this.number);
    this.show();
  }

  /** Lines are about to be sent to who started the children. */
  sending(): void {
    Atomics.add(this.cells, this.cell - FIRST + SENT, 1);
  }

  private readonly turned = (): void => {
    const { number } = this;
    this.number = 0;
    if (this.waiting.length === 0 && !this.mustWait(number)) put(this.lines, number);
    else if (this.lines.size > 0) {
      this.waiting.push({ number, lines: this.lines, endedMs: performance.now() });
      this.lines = new Map();
    }
    this.settle();
  };

  private settle(): void {
    const { waiting } = this;
    while (waiting.length > 0) {
      const { number, lines, endedMs } = waiting[0]!;
      if (this.mustWait(number) && performance.now() - endedMs < MOST_WAIT_MS) break;
      waiting.shift();
      put(lines, number);
    }
    this.show();
    if (waiting.length === 0 || this.looking) return;
    this.looking = true;
    setTimeout(this.lookAgain, LOOK_MS);
  }

  private readonly lookAgain = (): void => {
    this.looking = false;
    this.settle();
  };

  private show(): void {
    Atomics.store(this.cells, this.cell, this.waiting[0]?.number ?? this.number);
  }

  private mustWait(number: number): boolean {
    const { cells } = this;
    const end = FIRST + Atomics.load(cells, SEATS);
    for (let at = FIRST; at < end; at++) {
      const other = at === this.cell ? 0 : Atomics.load(cells, at);
      if (other !== 0 && isBefore(other, number)) return true;
    }
    return false;
  }
}

interface Arrival {
  readonly number: number;
  /** What each seat had sent by then. */
  readonly sent: Int32Array;
  readonly take: () => void;
}

/** The same order for lines that children send: messages of two children may overtake each other. */
export class ArrivalOrder {
  private readonly cells: Int32Array;
  /** Of each seat. */
  private readonly arrived = new Int32Array(MOST_CHILDREN);
  private readonly waiting: Arrival[] = [];

  constructor(cells: Int32Array) {
    this.cells = cells;
  }

  /** @param take is called when all that was sent before has been taken */
  add(seat: number, number: number, take: () => void): void {
    this.arrived[seat]!++;
    let at = this.waiting.length;
    while (at > 0 && isBefore(number, this.waiting[at - 1]!.number)) at--;
    this.waiting.splice(at, 0, { number, sent: this.cells.slice(SENT), take });
    this.settle();
  }

  /** A child has gone: nobody waits for it. */
  forget(seat: number): void {
    Atomics.store(this.cells, FIRST + seat, 0);
    this.arrived[seat] = Atomics.load(this.cells, SENT + seat);
    this.settle();
  }

  private settle(): void {
    const { arrived, waiting } = this;
    while (waiting.length > 0 && waiting[0]!.sent.every((sent, seat) => ((sent - arrived[seat]!) | 0) <= 0)) {
      waiting.shift()!.take();
    }
  }
}

/** The numbers go around. */
function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

function put(lines: Lines, number: number): void {
  for (const [log, some] of lines) log.put(some, number);
  lines.clear();
}
