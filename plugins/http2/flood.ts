/**
 * What clients may do cheaply and must not do without end: each kind has a bucket of tokens that fills again slowly.
 * Source: RFC 9113 section 10.5; CVE-2019-9511 to 9518, CVE-2023-44487
 */
import type { Clock } from "../../modules/mod.ts";

/** A burst, and how many a second after it. */
interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

const RATES = {
  /** PING, SETTINGS, PRIORITY, and types that nobody knows. Browsers send a handful. */
  control: { burst: 200, perSecond: 20 },
  /** RST_STREAM: a browser that leaves a page cancels what it has asked for. */
  reset: { burst: 200, perSecond: 33 },
  /** DATA and HEADERS that carry nothing. */
  empty: { burst: 100, perSecond: 10 },
  /** WINDOW_UPDATE beyond those that answer DATA of ours. */
  window: { burst: 1000, perSecond: 100 },
} satisfies Record<string, Rate>;

export type FloodKind = keyof typeof RATES;

/** Of one connection. */
export class FloodGuard {
  private readonly clock: Clock;
  private readonly tokens: Record<FloodKind, number> = {
    control: RATES.control.burst,
    reset: RATES.reset.burst,
    empty: RATES.empty.burst,
    window: RATES.window.burst,
  };
  private filledMs: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.filledMs = clock.now();
  }

  /** False: that is one too many. */
  allows(kind: FloodKind): boolean {
    if (this.tokens[kind] < 1) this.fill();
    if (this.tokens[kind] < 1) return false;
    this.tokens[kind]--;
    return true;
  }

  /** DATA went out: a WINDOW_UPDATE for it and one for the connection are its answer, and gRPC measures by a PING. */
  sentData(): void {
    this.tokens.control = Math.min(RATES.control.burst, this.tokens.control + 1);
    this.tokens.window = Math.min(RATES.window.burst, this.tokens.window + 2);
  }

  private fill(): void {
    const now = this.clock.now();
    const seconds = (now - this.filledMs) / 1000;
    this.filledMs = now;
    for (const kind of Object.keys(RATES) as FloodKind[]) {
      const { burst, perSecond } = RATES[kind];
      this.tokens[kind] = Math.min(burst, this.tokens[kind] + seconds * perSecond);
    }
  }
}
