import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestRec } from "../../../modules/core/records.ts";
import { findRemoteName, getRemoteHost, inDomain, remoteName } from "../../../modules/server/remote_host.ts";

/** A request of a client whose resolver knows these names and addresses. */
function request(ip: string, reverse: Record<string, string>, lookup: Record<string, string[]>) {
  const asked: string[] = [];
  const answer = <T>(what: string, found: T | undefined): Promise<T> => {
    asked.push(what);
    return found === undefined ? Promise.reject({ code: "ENOTFOUND", message: "" }) : Promise.resolve(found);
  };
  const sockets = {
    reverse: (address: string) => answer(`reverse ${address}`, reverse[address]),
    lookup: (name: string) => answer(`lookup ${name}`, lookup[name]),
  };
  const r = { useragentIp: ip, server: { process: { sockets } } } as unknown as RequestRec;
  return { r, asked };
}

test("getRemoteHost(): the name of an address counts if it has that address, too", async () => {
  const good = request(
    "192.0.2.1",
    { "192.0.2.1": "WWW.Example.COM" },
    { "www.example.com": ["192.0.2.9", "192.0.2.1"] },
  );
  assert.equal(await getRemoteHost(good.r), "www.example.com");
  const six = request("2001:db8::1", { "2001:db8::1": "six.test" }, { "six.test": ["2001:DB8:0::1"] });
  assert.equal(await getRemoteHost(six.r), "six.test");
  const liar = request("192.0.2.1", { "192.0.2.1": "www.example.com" }, { "www.example.com": ["203.0.113.1"] });
  assert.equal(await getRemoteHost(liar.r), null);
  const unknown = request("192.0.2.1", { "192.0.2.1": "gone.test" }, {});
  assert.equal(await getRemoteHost(unknown.r), null);
  const nameless = request("192.0.2.1", { "192.0.2.1": "192.0.2.1" }, { "192.0.2.1": ["192.0.2.1"] });
  assert.equal(await getRemoteHost(nameless.r), null);
});

test("getRemoteHost(): asks once for a request, however many rules want to know", async () => {
  const { r, asked } = request("192.0.2.1", {}, {});
  assert.deepEqual([await getRemoteHost(r), await getRemoteHost(r), asked], [null, null, ["reverse 192.0.2.1"]]);
});

test("HostnameLookups: the name of the address, asked for once for a connection; Double proves it", async () => {
  const conn = {} as RequestRec["conn"];
  const names = { "192.0.2.1": "WWW.Example.COM" };
  const { r, asked } = request("192.0.2.1", names, { "www.example.com": ["203.0.113.1"] });
  Object.assign(r, { conn });
  assert.equal(remoteName(r), "192.0.2.1");
  await findRemoteName(r, "on");
  await findRemoteName(r, "on");
  assert.deepEqual([remoteName(r), asked], ["www.example.com", ["reverse 192.0.2.1"]]);

  const liar = request("192.0.2.1", names, { "www.example.com": ["203.0.113.1"] });
  Object.assign(liar.r, { conn: {} });
  await findRemoteName(liar.r, "double");
  assert.equal(remoteName(liar.r), "192.0.2.1");
  const nameless = request("192.0.2.2", {}, {});
  Object.assign(nameless.r, { conn: {} });
  await findRemoteName(nameless.r, "on");
  assert.equal(remoteName(nameless.r), "192.0.2.2");
});

test("inDomain(): whole labels, whatever the case", () => {
  for (const domain of ["www.example.com", "Example.com", ".example.com", "com"]) {
    assert.ok(inDomain(domain, "www.example.com"), domain);
  }
  for (const domain of ["xample.com", "example.com.", "www.www.example.com", ".www.example.com", "example"]) {
    assert.ok(!inDomain(domain, "www.example.com"), domain);
  }
});
