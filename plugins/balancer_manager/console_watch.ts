/**
 * `sluice watch`: a table that lives, for a terminal; a line for each change of a member's state, for a pipe.
 */
import process from "node:process";
import { type BalancerState, type MemberState, type SluiceApi, SluiceApiError, type StateEvent } from "./client.ts";
import { conditionText, MEMBER_TITLES, memberCells, plain, table } from "./console_text.ts";

const AGAIN_MS = 1000;
/** Seconds of traffic that a terminal shows. */
const KEPT = 20;
const BARS = "▁▂▃▄▅▆▇█";

/** Goes on until it is interrupted. @param balancer null: all; without balancer:// @throws if the server was never reached */
export async function watch(api: SluiceApi, balancer: string | null, json: boolean): Promise<void> {
  const only = (event: StateEvent): readonly BalancerState[] =>
    event.balancers.filter(({ name }) => balancer === null || name === `balancer://${balancer}`);
  const view: View = json ? new JsonView() : process.stdout.isTTY ? new TableView() : new LineView();
  let reached = false;
  try {
    for (;;) {
      try {
        for await (const event of api.events()) {
          reached = true;
          view.show(only(event));
        }
        view.lost("the server has ended the connection");
      } catch (error) {
        if (!reached || (error instanceof SluiceApiError && error.status < 500)) throw error;
        view.lost((error as Error).message);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  } finally {
    view.end();
  }
}

interface View {
  show(balancers: readonly BalancerState[]): void;
  /** There is no connection for the moment. */
  lost(reason: string): void;
  end(): void;
}

class JsonView implements View {
  show(balancers: readonly BalancerState[]): void {
    console.log(JSON.stringify({ balancers }));
  }

  lost(reason: string): void {
    console.error(`sluice: ${reason}; trying again`);
  }

  end(): void {}
}

/** Time, balancer, member, state: whenever the state is another one. */
class LineView implements View {
  private known = new Map<string, string>();

  show(balancers: readonly BalancerState[]): void {
    const now = new Map<string, string>();
    for (const { name, members } of balancers) {
      for (const member of members) now.set(`${name} ${member.url}`, stateText(member));
    }
    for (const [member, state] of now) if (this.known.get(member) !== state) this.tell(member, state);
    for (const member of this.known.keys()) if (!now.has(member)) this.tell(member, "removed");
    this.known = now;
  }

  lost(reason: string): void {
    this.tell("-", `no connection (${reason}), trying again`);
  }

  end(): void {}

  private tell(member: string, state: string): void {
    console.log(`${new Date().toISOString()} ${member} ${state}`);
  }
}

/** Without what counts up: the number at hand changes with each request. */
function stateText(member: MemberState): string {
  return conditionText({ ...member, busy: 0 });
}

/** On the terminal's other screen, so that what was there is there again afterwards. */
class TableView implements View {
  private balancers: readonly BalancerState[] = [];
  private problem = "";
  /** Elections in each of the last seconds, by member. */
  private readonly traffic = new Map<string, { last: number; perSecond: number[] }>();
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly leave = (): void => {
    this.end();
    process.exit(130);
  };
  private readonly draw = (): void => this.paint();

  constructor() {
    process.stdout.write("\x1b[?1049h\x1b[?25l");
    process.on("SIGINT", this.leave);
    process.on("SIGTERM", this.leave);
    process.stdout.on("resize", this.draw);
    this.timer = setInterval(() => this.count(), 1000);
  }

  show(balancers: readonly BalancerState[]): void {
    this.balancers = balancers;
    this.problem = "";
    this.paint();
  }

  lost(reason: string): void {
    this.problem = `${plain(reason)}; trying again`;
    this.paint();
  }

  end(): void {
    clearInterval(this.timer);
    process.off("SIGINT", this.leave);
    process.off("SIGTERM", this.leave);
    process.stdout.off("resize", this.draw);
    process.stdout.write("\x1b[?25h\x1b[?1049l");
  }

  private count(): void {
    for (const { name, members } of this.balancers) {
      for (const { url, elected } of members) {
        const key = `${name} ${url}`;
        const known = this.traffic.get(key) ?? { last: elected, perSecond: [] };
        known.perSecond.push(Math.max(0, elected - known.last));
        if (known.perSecond.length > KEPT) known.perSecond.shift();
        known.last = elected;
        this.traffic.set(key, known);
      }
    }
    this.paint();
  }

  private paint(): void {
    const columns = process.stdout.columns || 80;
    const rows = process.stdout.rows || 24;
    const lines = this.balancers.flatMap((balancer) => ["", ...this.section(balancer)]);
    const head = `sluice watch  ${new Date().toISOString().slice(11, 19)}Z  Ctrl-C ends${this.problem === "" ? "" : `  ${this.problem}`}`;
    const shown = [head, ...lines].slice(0, rows - 1).map((line) => cut(line, columns));
    process.stdout.write(`\x1b[H${shown.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }

  private section({ name, settings, members }: BalancerState): string[] {
    const rows = members.map((member) => {
      const { perSecond = [] } = this.traffic.get(`${name} ${member.url}`) ?? {};
      return [...memberCells(member), `${perSecond.at(-1) ?? 0}/s`, bars(perSecond), conditionText(member)];
    });
    return [`${name}  ${settings.lbmethod}`, ...table([...MEMBER_TITLES, "RATE", "", "STATE"], rows).split("\n")];
  }
}

function bars(values: readonly number[]): string {
  const most = Math.max(1, ...values);
  return values.map((value) => BARS[Math.round((value / most) * (BARS.length - 1))]).join("");
}

/** A line no wider than the terminal; colours take no room. */
function cut(line: string, columns: number): string {
  let width = 0;
  let text = "";
  for (const [, colour, letter] of line.matchAll(/(\x1b\[\d+m)|([\s\S])/gu)) {
    if (colour !== undefined) text += colour;
    else if (width++ < columns) text += letter;
  }
  return text;
}
