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
  const functions = [isReserve, wouldServe, expectedShares, sparkline, changedSettings, sharesAfter, live];
  return `"use strict";\n${functions.map(String).join("\n")}\n${live.name}();\n`;
}

/** Bars of the last values as SVG paths would draw them: one path, as high as the greatest value. */
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

function live(): void {
  const KEPT_SECONDS = 60;
  const status = document.getElementById("live")!;
  let balancers: readonly BalancerState[] = [];
  /** Elections per second of each member; the newest last. */
  const traffic = new Map<string, { last: number; perSecond: number[] }>();
  let loading = false;
  let stale = false;

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

  /** Takes over the tables that are not part of a form, and keeps the focus where it is. */
  function exchange(fresh: Document): void {
    const focused = (document.activeElement as HTMLAnchorElement | null)?.href;
    const selector = "table.balancer, table.members, .detail, .audit";
    const now = [...document.querySelectorAll(selector)];
    const next = [...fresh.querySelectorAll(selector)];
    const news: string[] = [];
    for (const [i, table] of now.entries()) {
      const other = next[i];
      if (other === undefined || other.className !== table.className) continue;
      if (table.classList.contains("members")) news.push(...changesOf(table, other));
      if (table.innerHTML !== other.innerHTML) table.replaceWith(document.importNode(other, true));
    }
    const again = focused === undefined ? undefined : [...document.links].find((link) => link.href === focused);
    if (again !== undefined && document.activeElement !== again) again.focus();
    if (news.length > 0) say(news.join(". "));
  }

  /** For those who listen to the page: members whose state is another one. */
  function changesOf(before: Element, after: Element): string[] {
    const states = new Map<string, string>();
    for (const row of before.querySelectorAll<HTMLElement>("tr[data-member]"))
      states.set(row.dataset["member"]!, row.className);
    const news: string[] = [];
    for (const row of after.querySelectorAll<HTMLElement>("tr[data-member]")) {
      const name = row.dataset["member"]!;
      if (states.get(name) !== row.className) news.push(`${name} is now ${row.className}`);
    }
    return news;
  }

  function countTraffic(): void {
    for (const { name, members } of balancers) {
      for (const member of members) {
        const key = `${name} ${member.url}`;
        const known = traffic.get(key) ?? { last: member.elected, perSecond: [] };
        known.perSecond.push(Math.max(0, member.elected - known.last));
        if (known.perSecond.length > KEPT_SECONDS) known.perSecond.shift();
        known.last = member.elected;
        traffic.set(key, known);
      }
    }
    drawTraffic();
  }

  function drawTraffic(): void {
    for (const row of document.querySelectorAll<HTMLElement>(".detail [data-member]")) {
      const table = row.closest<HTMLElement>(".detail")!;
      const values = traffic.get(`${table.dataset["balancer"]} ${row.dataset["member"]}`)?.perSecond ?? [];
      const cell = row.querySelectorAll("[role=cell]")[6];
      if (cell === undefined) continue;
      let svg = cell.querySelector("svg");
      if (svg === null) {
        svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("viewBox", "0 0 120 20");
        svg.setAttribute("role", "img");
        svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
        cell.append(svg);
      }
      const latest = values.at(-1) ?? 0;
      svg.setAttribute("aria-label", `${latest} elections in the last second`);
      svg.firstElementChild!.setAttribute("d", sparkline(values, 120, 20));
    }
  }

  function showElections(elections: readonly Election[]): void {
    let list = document.getElementById("elections");
    if (list === null) {
      const heading = document.createElement("h3");
      heading.textContent = "Last elections";
      list = document.createElement("ol");
      list.id = "elections";
      status.before(heading, list);
    }
    const items = [...elections].reverse().map(({ atMs, balancer, lbmethod, elected, candidates }) => {
      const item = document.createElement("li");
      const figures = candidates.map(({ member, figure }) => (figure === "" ? member : `${member} (${figure})`));
      const time = new Date(atMs).toISOString().slice(11, 23);
      item.textContent = `${time} ${balancer} by ${lbmethod}: ${elected ?? "nobody"} of ${figures.join(", ")}`;
      return item;
    });
    list.replaceChildren(...items);
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
