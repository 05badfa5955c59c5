/** Redirects inside of the server. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import {
  DECLINED,
  defineModule,
  handler,
  internalRedirect,
  type RequestRec,
  type Status,
} from "../../../modules/mod.ts";
import { makeServer, settle } from "../../support/server.ts";

/** Serves /end; sends anything else to the path that follows /to in it; one that has /later in it waits before. */
const redirecting = defineModule({
  name: "mod_redirecting",
  config: z.object({}),
  registerHooks({ hook }) {
    hook(handler, serve, { rank: "first" });
  },
});

function serve(r: RequestRec): Status | Promise<Status> {
  if (r.uri.startsWith("/later")) return Promise.resolve().then(() => internalRedirect(r.uri.slice(6), r));
  if (r.uri.startsWith("/to")) return internalRedirect(r.uri.slice(3), r);
  if (r.uri === "/round") return internalRedirect("/round", r);
  if (r.uri !== "/end") return DECLINED;
  const names = [...r.env]
    .map(([name]) => name)
    .filter((name) => name.startsWith("REDIRECT_") && !name.endsWith("UNIQUE_ID"))
    .sort();
  r.out.begin(-1);
  r.out.writeText(`${r.method} ${r.unparsedUri} ${names.map((name) => `${name}=${r.getEnv(name)}`).join(" ")}`);
  r.out.end();
  return 0;
}

async function ask(target: string, conf = "", method = "GET") {
  const server = makeServer(`CustomLog log "%<s %>s %U %f %b"\n${conf}`, redirecting);
  const client = server.connect();
  client.feed(`${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await settle();
  server.end();
  const [head, ...body] = client.written.split("\r\n\r\n");
  return { status: head!.slice(9, 12), body: body.join(), log: server.logs.log!, errors: server.errors.join("") };
}

describe("internalRedirect()", () => {
  it("serves another path, with the environment renamed", async () => {
    const { status, body, log } = await ask("/to/end?q");
    assert.equal(status, "200");
    assert.match(body, /GET \/end REDIRECT_QUERY_STRING=q REDIRECT_STATUS=200 REDIRECT_URL=\/to\/end/);
    assert.equal(log, `200 200 /to/end - ${body.split("\r\n")[1]!.length}\n`);
  });

  it("goes on from redirect to redirect, at once or later, and logs once", async () => {
    const { body, log } = await ask("/to/later/to/end");
    assert.match(body, /REDIRECT_REDIRECT_REDIRECT_URL=\/to\/later\/to\/end .*REDIRECT_URL=\/to\/end/);
    assert.equal(log.split("\n").length, 2);
  });

  it("keeps the method, HEAD too", async () => {
    assert.match((await ask("/to/end", "", "POST")).body, /POST \/end/);
    assert.equal((await ask("/to/end", "", "HEAD")).body, "");
  });

  it("is 500 after as many redirects as LimitInternalRecursion allows", async () => {
    const { status, errors, log } = await ask("/round");
    assert.equal(status, "500");
    assert.match(errors, /AH00124: Request exceeded the limit of 10 internal redirects/);
    assert.match(log, /^200 500 \/round/);
    assert.match((await ask("/round", "LimitInternalRecursion 5")).errors, /limit of 5 internal/);
    assert.equal((await ask("/to/to/to/to/end", "LimitInternalRecursion 4")).status, "200");
    assert.equal((await ask("/to/to/to/to/end", "LimitInternalRecursion 3")).status, "500");
  });

  it("to what is not there is the error of that", async () => {
    const { status, log } = await ask("/to/nothing");
    assert.equal(status, "404");
    assert.match(log, /^200 404 \/to\/nothing/);
  });
});

describe("ErrorDocument", () => {
  it("may have variables in its value", async () => {
    assert.equal((await ask("/x?y", 'ErrorDocument 404 "no %{REQUEST_URI} here"')).body, "no /x here");
    assert.equal((await ask("/x", "ErrorDocument 404 %{tolower:/END}")).body, "/end");
    assert.throws(() => makeServer('ErrorDocument 404 "%{x"'), /Cannot parse expression in ErrorDocument: /);
  });

  it("fetched here is a request of its own, and the log tells of both", async () => {
    const { status, body, log } = await ask("/x", "ErrorDocument 404 /end", "DELETE");
    assert.deepEqual([status, /^.*GET \/end/s.test(body)], ["405", false]);
    assert.match(log, /^405 405 \/x/);
    const found = await ask("/x?y", "ErrorDocument 404 /end");
    assert.match(found.body, /GET \/end REDIRECT_QUERY_STRING=y REDIRECT_REQUEST_METHOD=GET REDIRECT_STATUS=404/);
    assert.deepEqual([found.status, found.log.slice(0, 10)], ["404", "404 404 /x"]);
  });
});
