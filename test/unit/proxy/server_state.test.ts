import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerRec } from "../../../modules/core/records.ts";
import { findWorker, matchWorker, setProxyServerState } from "../../../modules/proxy/server_state.ts";
import { genericWorker, ProxyWorker } from "../../../modules/proxy/worker.ts";
import { parseWorkerUrl, type WorkerUrl } from "../../../modules/proxy/worker_url.ts";

const names = [
  "http://h:1",
  "http://h:1/deep",
  "http://h:1/deep/er",
  "http://g/Path",
  "http://[::1]:2",
  "http://x/$1/y",
];

describe("findWorker() and matchWorker()", () => {
  const server = new ServerRec(false, "f", 1, []);
  const workers = names.map(
    (name) => new ProxyWorker(parseWorkerUrl(name) as WorkerUrl, name.includes("$") ? "match" : "plain"),
  );
  setProxyServerState(server, { place: "main", workers, balancers: new Map(), reverse: genericWorker() });
  for (const [url, name] of [
    ["http://h:1/deeper", "http://h:1/deep"],
    ["http://h:1/deep/er/x", "http://h:1/deep/er"],
    ["HTTP://H:1/x", "http://h:1"],
    ["http://h:1", "http://h:1"],
    ["http://h:12/x", undefined],
    ["http://h/x", undefined],
    ["http://g/path", undefined],
    ["http://G/Path/x", "http://g/Path"],
    ["http://[::1]:2/", "http://[::1]:2"],
    ["http://x/abc/yz", "http://x/$1/y"],
    ["http://x/abc/z", undefined],
  ] as const) {
    it(`${url}: ${name ?? "none"}`, () => {
      assert.equal(findWorker(server, url)?.name, name);
      assert.equal(matchWorker(workers, url)?.name, name);
    });
  }
});
