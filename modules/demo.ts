/**
 * Started without a configuration: three small backends inside, a balancer in front.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import type { Shipped } from "./core/shipped.ts";
import { loadFirst, Parent } from "./mpm/parent.ts";

const FIRST_PORT = 8080;
const LAST_PORT = 8180;

/** Runs until it is told to end; resolves with the exit code. */
export async function demo(modules: Shipped): Promise<number> {
  const backends = await Promise.all(["one", "two", "three"].map(startBackend));
  const port = await freePort();
  const members = backends.map(
    ({ port: backend }) => `  BalancerMember http://127.0.0.1:${backend} retry=5 hcmethod=TCP hcinterval=5`,
  );
  const text = [
    "ServerName localhost",
    `Listen 127.0.0.1:${port}`,
    "StartServers 1",
    "<Proxy balancer://demo>",
    ...members,
    "  ProxySet panic=on",
    "</Proxy>",
    "ProxyPass / balancer://demo/",
    "ProxyPassReverse / balancer://demo/",
    "",
  ].join("\n");
  const options = {
    file: resolve("demo.conf"),
    text,
    serverRoot: process.cwd(),
    defines: [],
    before: [],
    after: [],
    modules,
  };
  const parent = new Parent(await loadFirst(options), options, "sluice");
  if (!(await parent.start())) return 1;
  console.log(
    [
      `sluice serves http://127.0.0.1:${port}/ from three small backends inside this process.`,
      "",
      `  curl http://127.0.0.1:${port}/            three times: each member in turn`,
      `  curl -d hello http://127.0.0.1:${port}/   a body`,
      "",
      "With a configuration of your own, httpd.conf or YAML:  -f FILE    (check it: -t -f FILE)",
      "Ctrl-C ends it.",
    ].join("\n"),
  );
  const code = await parent.ended;
  for (const { server } of backends) server.closeAllConnections();
  for (const { server } of backends) server.close();
  return code;
}

async function startBackend(name: string): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
    });
    request.on("end", () => {
      response.setHeader("content-type", "text/plain; charset=utf-8");
      response.end(`member ${name}: ${request.method} ${request.url}${bytes > 0 ? ` with ${bytes} bytes` : ""}\n`);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { server, port: (server.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  for (let port = FIRST_PORT; port < LAST_PORT; port++) if (await isFree(port)) return port;
  return LAST_PORT;
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((done) => {
    probe.once("error", () => done(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
  });
}
