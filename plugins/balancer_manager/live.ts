/**
 * The manager's script: with it the page lives. The server renders the page; the script asks for it anew when an event says
 * that the state changed, and exchanges the tables. Besides it draws the traffic, shows elections, and tells what a form
 * would change before it is sent. Without it the page is complete, but stands still.
 *
 * What a browser gets is the text of these functions, so they name nothing but each other and what browsers have.
 */
import {
  type BalancerState,
  type Election,
  expectedShares,
  isReserve,
  type MemberState,
  wouldServe,
} from "../../modules/mod.ts";

/** The script as browsers get it. */
export function liveScript(): string {
  const functions = [isReserve, wouldServe, expectedShares, sparkline, changedSettings, sharesAfter, secondOf, live];
  return `"use strict";\n${functions.map(String).join("\n")}\n${live.name}();\n`;
}

/** A line through the last values, as high as the greatest: the path of an SVG. */
function sparkline(values: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  return values
    .map(
      (value, i) => `${i === 0 ? "M" : "L"}${(i * step).toFixed(1)} ${(height - (value / most) * height).toFixed(1)}`,
    )
    .join("");
}

/** What the fields of a worker's form say otherwise than its settings. */
function changedSettings(
  member: MemberState,
  field: (name: string) => string | null,
): Partial<MemberState["settings"]> {
  const { settings } = member;
  const change: Record<string, unknown> = {};
  const flags: Record<string, keyof MemberState["settings"]> = {
    w_status_I: "ignoreErrors",
    w_status_N: "draining",
    w_status_D: "disabled",
    w_status_H: "standby",
    w_status_R: "spare",
    w_status_C: "checkFailed",
    w_status_S: "stopped",
  };
  for (const [name, key] of Object.entries(flags)) {
    const on = field(name) === "1";
    if (field(name) !== null && on !== settings[key]) change[key] = on;
  }
  const texts: Record<string, keyof MemberState["settings"]> = { w_wr: "route", w_rr: "redirect" };
  for (const [name, key] of Object.entries(texts)) {
    const text = field(name);
    if (text !== null && text !== settings[key]) change[key] = text;
  }
  const loadFactor = Number(field("w_lf"));
  if (loadFactor >= 1 && loadFactor <= 100 && loadFactor !== settings.loadFactor) change["loadFactor"] = loadFactor;
  const lbset = Number(field("w_ls"));
  if (Number.isInteger(lbset) && lbset >= 0 && lbset <= 99 && lbset !== settings.lbset) change["lbset"] = lbset;
  return change;
}

/** The parts of the next requests that the members of a balancer get once one of them has other settings. */
function sharesAfter(
  members: readonly MemberState[],
  changed: MemberState,
  change: Partial<MemberState["settings"]>,
): number[] {
  return expectedShares(
    members.map((member) => {
      const settings = member === changed ? { ...member.settings, ...change } : member.settings;
      const { disabled, stopped, checkFailed } = settings;
      const out = disabled || stopped || (checkFailed && !member.observed.panic) || member.observed.error !== null;
      return { ...settings, usable: !out };
    }),
  );
}

/** What happened to a member in one second. */
interface Second {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds, on average; 0: there was no request. */
  readonly latency: number;
}

/** Between two readings of what a member has had. */
function secondOf(before: MemberState, after: MemberState): Second {
  if (before.traffic === null || after.traffic === null)
    return { requests: Math.max(0, after.elected - before.elected), errors: 0, latency: 0 };
  const requests = Math.max(0, after.traffic.requests - before.traffic.requests);
  const failures = Math.max(0, after.traffic.failures - before.traffic.failures);
  const errors = Math.max(0, after.traffic.errors - before.traffic.errors) + failures;
  const seconds = after.traffic.seconds - before.traffic.seconds;
  return { requests, errors, latency: requests > 0 && seconds > 0 ? (1000 * seconds) / requests : 0 };
}

function live(): void {
  const KEPT_SECONDS = 60;
  const status = document.getElementById("live")!;
  let balancers: readonly BalancerState[] = [];
  /** What happened to each member in each of the last seconds; the newest last. */
  const traffic = new Map<string, { last: MemberState; seconds: Second[] }>();
  /** The pieces of the page as they came: what a script drew into them since is no change. */
  const pieces = new Map<string, string>();
  let loading = false;
  let stale = false;

  for (const piece of document.querySelectorAll(".live")) pieces.set(piece.id, piece.innerHTML);
  const events = new EventSource(`${location.pathname}?events`);
  events.onmessage = ({ data }: MessageEvent<string>) => {
    const news = JSON.parse(data) as { balancers: BalancerState[]; elections: Election[] };
    balancers = news.balancers;
    showElections(news.elections);
    void refresh();
  };
  events.onerror = () => say("No connection to the server; trying again.");
  events.onopen = () => say("");
  setInterval(countTraffic, 1000);
  document.addEventListener("input", ({ target }) => preview((target as Element).closest("form.edit")));

  function say(text: string): void {
    if (status.textContent !== text) status.textContent = text;
  }

  /** One request for the page at a time; what changes meanwhile is asked for afterwards. */
  async function refresh(): Promise<void> {
    stale = true;
    if (loading) return;
    loading = true;
    while (stale) {
      stale = false;
      try {
        const answer = await fetch(location.href);
        if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        say("No connection to the server; trying again.");
      }
    }
    loading = false;
    drawTraffic();
  }

  /** Takes over the pieces that are not part of a form, and keeps the focus where it is, and open what was opened. */
  function exchange(fresh: Document): void {
    const focused = (document.activeElement as HTMLAnchorElement | null)?.href;
    const news: string[] = [];
    for (const piece of fresh.querySelectorAll(".live")) {
      const now = document.getElementById(piece.id);
      if (now === null || pieces.get(piece.id) === piece.innerHTML) continue;
      pieces.set(piece.id, piece.innerHTML);
      news.push(...changesOf(now, piece));
      const wasOpen = now.querySelector("details")?.open ?? false;
      const scrolled = [...now.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
      now.replaceChildren(...[...piece.childNodes].map((node) => document.importNode(node, true)));
      const details = now.querySelector("details");
      if (details !== null) details.open = wasOpen;
      for (const [i, box] of now.querySelectorAll(".scroll").entries()) box.scrollLeft = scrolled[i] ?? 0;
    }
    const again = focused === undefined ? undefined : [...document.links].find((link) => link.href === focused);
    if (again !== undefined && document.activeElement !== again) again.focus();
    if (news.length > 0) say(`${news.join(". ")}.`);
  }

  /** For those who listen to the page: members whose state is another one. */
  function changesOf(before: Element, after: Element): string[] {
    const states = new Map<string, string>();
    for (const row of before.querySelectorAll<HTMLElement>(".members tr[data-member]"))
      states.set(row.dataset["member"]!, row.className);
    const news: string[] = [];
    for (const row of after.querySelectorAll<HTMLElement>(".members tr[data-member]")) {
      const name = row.dataset["member"]!;
      if (states.get(name) !== row.className) news.push(`${name} is now ${row.className.replace(" ", " and ")}`);
    }
    return news;
  }

  function countTraffic(): void {
    for (const { name, members } of balancers) {
      for (const member of members) {
        const key = `${name} ${member.url}`;
        const known = traffic.get(key) ?? { last: member, seconds: [] };
        known.seconds.push(secondOf(known.last, member));
        if (known.seconds.length > KEPT_SECONDS) known.seconds.shift();
        known.last = member;
        traffic.set(key, known);
      }
    }
    drawTraffic();
  }

  function drawTraffic(): void {
    for (const row of document.querySelectorAll<HTMLElement>(".detail [data-member]")) {
      const table = row.closest<HTMLElement>(".detail")!;
      const seconds = traffic.get(`${table.dataset["balancer"]} ${row.dataset["member"]}`)?.seconds ?? [];
      const cell = row.querySelectorAll("[role=cell]")[6];
      if (cell === undefined || seconds.length === 0) continue;
      let box = cell.querySelector(".traffic");
      if (box === null) {
        box = document.createElement("div");
        box.className = "traffic";
        cell.prepend(box);
      }
      const { requests, errors, latency } = seconds.at(-1)!;
      drawLine(box, "requests", seconds, `${requests} requests/s`);
      drawLine(box, "errors", seconds, `${errors} errors/s`);
      drawLine(box, "latency", seconds, `${latency.toFixed(1)} ms`);
    }
  }

  /** One line with its newest value, drawn once and then moved. */
  function drawLine(box: Element, what: keyof Second, seconds: readonly Second[], text: string): void {
    let line = box.querySelector(`.${what}`);
    if (line === null) {
      line = document.createElement("div");
      line.className = `spark ${what}`;
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 90 22");
      svg.setAttribute("aria-hidden", "true");
      svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
      line.append(svg, document.createElement("span"));
      box.append(line);
    }
    const values = seconds.map((second) => second[what]);
    line.querySelector("path")!.setAttribute("d", sparkline(values, 90, 22));
    line.querySelector("span")!.textContent = text;
  }

  function showElections(elections: readonly Election[]): void {
    let list = document.getElementById("elections");
    if (list === null) {
      const section = document.createElement("section");
      const heading = document.createElement("h2");
      heading.textContent = "Last elections";
      heading.id = "elections-title";
      list = document.createElement("ol");
      list.id = "elections";
      list.tabIndex = 0;
      list.setAttribute("aria-labelledby", heading.id);
      section.append(heading, list);
      document.querySelector("main")!.append(section);
    }
    const items = [...elections].reverse().map((election) => electionItem(election));
    if (items.length === 0) {
      const none = document.createElement("li");
      none.textContent = "None since the page was opened.";
      items.push(none);
    }
    list.replaceChildren(...items);
  }

  /** When, by which method, whom; of whom, by which figures; and who was no candidate. */
  function electionItem({ atMs, balancer, lbmethod, elected, candidates, leftOut }: Election): HTMLLIElement {
    const item = document.createElement("li");
    const winner = document.createElement("b");
    winner.textContent = elected ?? "nobody";
    const figures = candidates.map(({ member, figure }) => (figure === "" ? member : `${member} (${figure})`));
    const others = leftOut.map(({ member, why }) => `${member}: ${why}`);
    const time = new Date(atMs).toISOString().slice(11, 23);
    item.append(`${time} ${balancer} by ${lbmethod}: `, winner, ` of ${figures.join(", ") || "no candidates"}`);
    if (others.length > 0) item.append(`. No candidates: ${others.join("; ")}`);
    return item;
  }

  /** What would change if the form was sent now. */
  function preview(form: Element | null): void {
    const text = form?.querySelector(".preview");
    const url = (form as HTMLElement | null)?.dataset["member"];
    if (!(form instanceof HTMLFormElement) || text === null || text === undefined || url === undefined) return;
    const name = `balancer://${(form.elements.namedItem("b") as HTMLInputElement).value}`;
    const balancer = balancers.find((one) => one.name === name);
    const member = balancer?.members.find((one) => one.url === url);
    if (balancer === undefined || member === undefined) return;
    const fields = new FormData(form);
    const change = changedSettings(member, (field) => fields.get(field) as string | null);
    const parts = Object.entries(change).map(([key, value]) => {
      return `${key}: ${member.settings[key as keyof MemberState["settings"]]} to ${value}`;
    });
    const after = sharesAfter(balancer.members, member, change);
    for (const [i, one] of balancer.members.entries()) {
      if (Math.abs(one.share - after[i]!) < 0.0005) continue;
      parts.push(
        `${one.url} gets ${(one.share * 100).toFixed(1)}% to ${(after[i]! * 100).toFixed(1)}% of new requests`,
      );
    }
    text.textContent = parts.length === 0 ? "Nothing changes." : `If you press Submit: ${parts.join("; ")}.`;
  }
}
