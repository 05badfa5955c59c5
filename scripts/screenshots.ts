#!/usr/bin/env bun
/**
 * `npm run screenshots`: the manager's page with a member in each state, light and dark, in examples/screenshots/.
 * Needs Chromium, as the browser tests do.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { ok, respond, startBackend } from "../test/support/backend.ts";
import { openBrowser } from "../test/support/browser.ts";
import { fetchOnce } from "../test/support/client.ts";
import { startSluice } from "../test/support/sluice.ts";
import { indexedPng } from "./indexed_png.ts";

const TRAFFIC_MS = 12_000;
const MOST_BYTES = 150_000;
const pictures = fileURLToPath(new URL("../examples/screenshots/", import.meta.url));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Addresses as an operator has them. */
const backends = await Promise.all(
  [3001, 3002, 3003].map((port) =>
    startBackend(
      async () => {
        await pause(Math.random() * 20);
        return Math.random() < 0.05 ? respond(503, "busy") : ok("x");
      },
      { port },
    ),
  ),
);
const sluice = await startSluice(
  `
  Listen 127.0.0.1:PORT
  ServerName localhost
  <Proxy "balancer://app">
    BalancerMember "http://127.0.0.1:3001" route=a loadfactor=2 hcmethod=TCP hcinterval=1
    BalancerMember "http://127.0.0.1:3002" route=b hcmethod=TCP hcinterval=1
    BalancerMember "http://127.0.0.1:3003" route=c
    BalancerMember "http://127.0.0.1:3004" route=d hcmethod=TCP hcinterval=1
    BalancerMember "http://127.0.0.1:3005" route=e status=+H
    ProxySet growth=2 stickysession=SESSIONID
  </Proxy>
  <Location "/bm">
    SetHandler balancer-manager
  </Location>
  <Location "/api">
    SetHandler sluice-api
  </Location>
  ProxyPass "/bm" "!"
  ProxyPass "/api" "!"
  ProxyPass "/" "balancer://app/"
  `,
  { runtime: "bun" },
);
const { sluiceApi } = await import("../plugins/balancer_manager/client.ts");
const api = sluiceApi(`http://localhost:${sluice.port}/api`);
const [a, b, c] = (await api.balancer("app")).members;

let over = false;
const traffic = Array.from({ length: 3 }, async () => {
  while (!over) {
    await fetchOnce(sluice.port, "/");
    await pause(Math.random() * 60);
  }
});
mkdirSync(pictures, { recursive: true });
for (const colorScheme of ["light", "dark"] as const) {
  await using opened = await openBrowser({ colorScheme, bypassCSP: true, viewport: { width: 1500, height: 1000 } });
  const page = await opened.context.newPage();
  await page.goto(`http://localhost:${sluice.port}/bm`);
  await pause(TRAFFIC_MS / 2);
  if (colorScheme === "light") {
    await api.setMember("app", b!.id, { draining: true });
    await api.setMember("app", c!.id, { disabled: true });
    await api.setMember("app", a!.id, { loadFactor: 3 });
  }
  await pause(TRAFFIC_MS / 2);
  await page.click("details.config summary");
  await page.addStyleTag({ content: "#live { display: none; }" });
  const path = `${pictures}manager-${colorScheme}.png`;
  const { pixels, width, height } = await decode(page, await page.locator("#balancer0").screenshot());
  const png = indexedPng(pixels, width, height);
  writeFileSync(path, png);
  console.log(`${path}: ${png.length} bytes`);
  if (png.length > MOST_BYTES) process.exitCode = 1;
}
over = true;
await Promise.all(traffic);
await sluice.stop();
for (const backend of backends) await backend.stop();

/** The browser reads its own picture. */
async function decode(page: Page, png: Uint8Array): Promise<{ pixels: Uint8Array; width: number; height: number }> {
  const blank = await page.context().newPage();
  const { text, width, height } = await blank.evaluate(async (source) => {
    const image = new Image();
    image.src = `data:image/png;base64,${source}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d")!;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let text = "";
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
    return { text: btoa(text), width: image.width, height: image.height };
  }, Buffer.from(png).toString("base64"));
  await blank.close();
  return { pixels: Buffer.from(text, "base64"), width, height };
}
