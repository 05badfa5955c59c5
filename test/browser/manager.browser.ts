/**
 * The manager's page in a browser, as an operator uses it: with and without JavaScript, on servers of both runtimes.
 *
 * `npm run test:browser`: Chromium is no part of `npm ci`, and a browser takes seconds to start, so this is no part of `npm test`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { CHROMIUM, hasChromium, type Opened, openBrowser } from "../support/browser.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Runtime, SLOW, type Sluice, startSluice } from "../support/sluice.ts";

const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const skip = hasChromium ? false : `there is no ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`;

for (const runtime of ["bun", "deno"] as const) {
  describe(`the manager's page, served by ${runtime}`, { skip }, () => suite(runtime));
}

function suite(runtime: Runtime): void {
  let backends: Backend[] = [];
  let held = new Gate();
  let sluice: Sluice;

  before(async () => {
    backends = await Promise.all(
      ["a", "b", "c"].map((name) =>
        startBackend((request) => (request.target === "/hold" ? [held.step, ok(name)] : ok(name))),
      ),
    );
    const [a, b] = backends as [Backend, Backend];
    sluice = await startSluice(
      `
      Listen 127.0.0.1:PORT
      ServerName localhost
      <Proxy "balancer://app">
        BalancerMember "${a.url}" route=a
        BalancerMember "${b.url}" route=b hcmethod=TCP hcinterval=1
        ProxySet growth=4 stickysession=SID
      </Proxy>
      <Location "/bm">
        SetHandler balancer-manager
      </Location>
      ProxyPass "/bm" "!"
      ProxyPass "/" "balancer://app/"
      `,
      { runtime },
    );
  });

  after(async () => {
    await sluice?.stop();
    for (const backend of backends) await backend.stop();
  });

  const url = (query = ""): string => `http://127.0.0.1:${sluice.port}/bm${query}`;

  /** Who served requests without a session. */
  async function served(count = 8): Promise<string> {
    const names = new Set<string>();
    for (let i = 0; i < count; i++) names.add((await fetchOnce(sluice.port, "/")).text);
    return [...names].sort().join("");
  }

  /** Opens the form of a member, or of the balancer, as by a click. */
  async function edit(page: Page, name: string): Promise<void> {
    await page.goto(url());
    await Promise.all([page.waitForURL(/[?]b=app/), page.click(`a:text-is("${name}")`)]);
  }

  async function submit(page: Page): Promise<void> {
    await page.click('form.edit input[type="submit"]');
    await page.waitForSelector(".notice");
  }

  async function press(page: Page, button: string): Promise<string> {
    await page.click(`button:text-is("${button}")`);
    return await page.innerText(".notice >> nth=0");
  }

  for (const javaScriptEnabled of [true, false]) {
    describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
      let opened: Opened;
      let page: Page;
      const errors: string[] = [];

      before(async () => {
        opened = await openBrowser({ javaScriptEnabled });
        page = await opened.context.newPage();
        page.on("pageerror", (error) => errors.push(error.message));
        page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      }, SLOW);

      after(async () => {
        await opened?.[Symbol.asyncDispose]();
      });

      /** The state of a member, as the page shows it. */
      const row = (name: string) => page.locator(`.members tr[data-member="${name}"]`);

      test("disable: the others serve; undo: it does again", SLOW, async () => {
        const [a] = backends as [Backend];
        await edit(page, a.url);
        await page.check("#w_status_D1");
        if (javaScriptEnabled) await page.waitForSelector(".preview:text('gets 50.0% to 0.0% of new requests')");
        await submit(page);
        assert.match((await row(a.url).getAttribute("class"))!, /disabled/);
        assert.equal(await served(), "b");
        assert.match(await press(page, "Undo the last change"), /^Done: .*no longer disabled/);
        assert.equal(await served(), "ab");
      });

      test("drain: a session stays where it is, until it is over the member is not drained", SLOW, async () => {
        const [a] = backends as [Backend];
        held = new Gate();
        await using session = await connectClient(sluice.port);
        void session.send("GET /hold HTTP/1.1\r\nHost: x\r\nCookie: SID=1.a\r\n\r\n");
        await held.reached();
        await edit(page, a.url);
        await page.check("#w_status_N1");
        await submit(page);
        assert.equal(await served(), "b");
        assert.equal((await fetchOnce(sluice.port, "/", "Cookie: SID=1.a")).text, "a");
        const detail = page.locator(`.detail [data-member="${a.url}"]`);
        assert.match(await detail.innerText(), /draining[\s\S]*1 at hand/);
        assert.doesNotMatch(await detail.innerText(), /drained/);
        held.open();
        await session.response();
        if (!javaScriptEnabled) await page.goto(url());
        await page.waitForSelector(`.detail [data-member="${a.url}"].drained`);
        assert.match(await detail.innerText(), /drained/);
        await edit(page, a.url);
        await page.check("#w_status_N0");
        await submit(page);
        assert.equal(await served(), "ab");
      });

      test("a member is added, enabled, and serves; it is removed again", SLOW, async () => {
        const c = backends[2]!;
        await edit(page, "balancer://app");
        await page.fill("#b_nwrkr", c.url);
        await page.check("#b_wyes");
        await submit(page);
        assert.match(await row(c.url).innerText(), /Init Dis/);
        assert.equal(await served(), "ab");
        await edit(page, c.url);
        await page.check("#w_status_D0");
        await submit(page);
        assert.equal(await served(), "abc");
        assert.match(await page.locator("details.config").innerHTML(), new RegExp(`BalancerMember .*${c.url}`));
        await edit(page, c.url);
        assert.match(await press(page, "Remove this member"), /^Done: remove member/);
        assert.equal(await row(c.url).count(), 0);
        assert.equal(await served(), "ab");
      });

      test("other load factor and method: traffic follows; all changes forgotten: as before", SLOW, async () => {
        const [a] = backends as [Backend];
        const shareOfA = async (): Promise<number> => {
          let names = "";
          for (let i = 0; i < 10; i++) names += await served(1);
          return names.replaceAll("b", "").length;
        };
        await edit(page, a.url);
        await page.fill("#w_lf", "9");
        await submit(page);
        assert.equal(await shareOfA(), 9);
        await edit(page, "balancer://app");
        await page.selectOption("#b_lbm", "bybusyness");
        await submit(page);
        assert.match(await page.innerText("table.balancer"), /bybusyness/);
        await edit(page, a.url);
        await page.fill("#w_lf", "1");
        await submit(page);
        held = new Gate();
        await using busy = await connectClient(sluice.port);
        void busy.send("GET /hold HTTP/1.1\r\nHost: x\r\nCookie: SID=1.a\r\n\r\n");
        await held.reached();
        assert.equal(await shareOfA(), 0);
        held.open();
        await busy.response();
        await edit(page, "balancer://app");
        await press(page, "Forget all changes");
        assert.match(await page.innerText("table.balancer"), /byrequests/);
        assert.equal(await shareOfA(), 5);
      });

      test("what cannot be done is said; times are set", SLOW, async () => {
        const [a, b] = backends as [Backend, Backend];
        await edit(page, a.url);
        assert.match(await press(page, "Recover now"), /^Not done: .*is not in error/);
        await edit(page, a.url);
        await page.fill("#sluice_retry", "1500");
        assert.match(await press(page, "Set times"), /retry \(ms\): 60000 to 1500/);
        await press(page, "Undo the last change");
        await edit(page, b.url);
        assert.match(await press(page, "Check now"), /^Done: check/);
        await page.goto(url());
        assert.match(await page.innerText(`.detail [data-member="${b.url}"]`), /passed \d\d:\d\d:\d\d/);
      });

      test("it lives", SLOW, async (t) => {
        if (!javaScriptEnabled) return t.skip("without JavaScript it stands still");
        const [a] = backends as [Backend];
        await page.goto(url());
        await page.waitForSelector("#elections");
        await fetchOnce(sluice.port, "/");
        await page.waitForSelector(
          `#elections li:has-text("by byrequests: ${a.url}"), #elections li:has-text("lbfactor 100")`,
        );
        await page.waitForSelector(".spark.requests path[d^=M]", { state: "attached" });
        // What somebody else does is seen and said, and the focus stays.
        await page.focus(`a:text-is("${a.url}")`);
        await using other = await openBrowser({ javaScriptEnabled: false });
        const second = await other.context.newPage();
        await edit(second, a.url);
        await second.check("#w_status_H1");
        await submit(second);
        await page.waitForSelector(`.members tr.standby[data-member="${a.url}"]`);
        await page.waitForSelector(`#live:has-text("${a.url} is now standby")`);
        assert.equal(await page.evaluate(() => document.activeElement?.textContent), a.url);
        await press(second, "Undo the last change");
      });

      test("nothing was refused by the page's own policy, and no script failed", () => {
        assert.deepEqual(errors, []);
      });
    });
  }

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 380]) {
      test(`axe finds no serious fault: ${colorScheme}, ${width} pixels wide`, SLOW, async () => {
        const [a, b] = backends as [Backend, Backend];
        await using opened = await openBrowser({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
        const page = await opened.context.newPage();
        // A member of each colour.
        const port = a.port;
        await a.stop();
        for (let i = 0; i < 4; i++) await fetchOnce(sluice.port, "/");
        await edit(page, b.url);
        await page.check("#w_status_N1");
        await submit(page);
        for (const query of ["", `?b=app&w=${encodeURIComponent(b.url)}`, "?b=app"]) {
          await page.setExtraHTTPHeaders({ Referer: url() });
          await page.goto(url(query));
          await page.waitForSelector("#elections");
          await page.evaluate(AXE);
          const faults = await page.evaluate(async () => {
            const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
            const { violations } = await axe.run();
            return violations
              .filter(({ impact }) => impact === "serious" || impact === "critical")
              .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
          });
          assert.deepEqual(faults, [], query);
          assert.equal(
            await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
            true,
            "the page scrolls sideways",
          );
        }
        await edit(page, "balancer://app");
        await press(page, "Forget all changes");
        backends[0] = await startBackend((request) => (request.target === "/hold" ? [held.step, ok("a")] : ok("a")), {
          port,
        });
      });
    }
  }
}

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}
