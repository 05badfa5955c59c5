import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { jsonSchema } from "../../../modules/config/schema.ts";
import { commandTable as kinds } from "../../../modules/core/command.ts";

const nothing = () => {};
const schema = jsonSchema([
  kinds.take1("Listen", "global", nothing, "where to listen"),
  kinds.take1("ServerName", "server", nothing, "the name"),
  kinds.iterate("ServerAlias", "vhost", nothing, "other names"),
  kinds.flag("ProxyPreserveHost", "any", nothing, "on to send the client's Host"),
  kinds.noArgs("Quiet", "any", nothing, "hush"),
  kinds.params("BalancerMember", "proxy", ["url"], nothing, "a worker"),
  kinds.raw("Require", "dir", nothing, "who may"),
  kinds.section("VirtualHost", "global", nothing, "a virtual host"),
  kinds.section("Location", "server", nothing, "by path"),
  kinds.section("Proxy", "server", nothing, "by backend"),
  kinds.section("If", "any", nothing, "by expression"),
]);
const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

interface Mapping {
  properties: Record<string, { description?: string; $ref?: string }>;
}
const defs = schema["$defs"] as Record<string, Mapping>;
const keys = (context: string) => Object.keys(defs[`mapping-${context}`]!.properties);

describe("jsonSchema()", () => {
  test("is a 2020-12 schema with a title, whose references all lead somewhere", () => {
    assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert.equal(schema["title"], "sluice configuration");
    for (const [, name] of JSON.stringify(schema).matchAll(/"\$ref":"#\/\$defs\/([^"]*)"/g))
      assert.ok(defs[name!], String(name));
  });

  test("where decides which bodies have a directive", () => {
    const places = (key: string) => ["main", "virtualHost", "section", "proxy"].filter((c) => keys(c).includes(key));
    assert.deepEqual(places("listen"), ["main"]);
    assert.deepEqual(places("serverName"), ["main", "virtualHost"]);
    assert.deepEqual(places("serverAlias"), ["virtualHost"]);
    assert.deepEqual(places("require"), ["section", "proxy"]);
    assert.deepEqual(places("balancerMember"), ["main", "virtualHost", "proxy"]);
    assert.deepEqual(places("proxyPreserveHost"), ["main", "virtualHost", "section", "proxy"]);
    assert.deepEqual(places("ifModule"), ["main", "virtualHost", "section", "proxy"]);
  });

  test("a directive has its help", () => {
    const found = defs["directive-ProxyPreserveHost"] as { description?: string } | undefined;
    assert.equal(found?.description, "on to send the client's Host");
  });

  const good: unknown[] = [
    {},
    { listen: [8080, "127.0.0.1:1"], proxyPreserveHost: true, quiet: null },
    { Listen: 8080, proxyPreserveHost: "On" },
    { proxy: { "balancer://a": { balancerMember: [{ url: "http://a", route: "a", m: [1, 2] }, "http://b"] } } },
    { proxy: { "balancer://a": { balancerMember: { url: "http://a" } } } },
    {
      virtualHost: [
        { "*:1": { serverAlias: ["a", "b"], location: { "/": { require: "all granted" } } } },
        { "*:1": null },
      ],
    },
    [{ listen: 1 }, { serverName: "a" }, { listen: 2 }],
    { ifModule: { mod_ssl: { listen: 443 } }, include: "a.conf", define: { A: 1, B: null } },
  ];
  for (const value of good) {
    test(`takes ${JSON.stringify(value)}`, () => assert.ok(validator.safeParse(value).success));
  }

  const bad: unknown[] = [
    { proxyPas: "/a" },
    { proxyPreserveHost: "maybe" },
    { listen: { a: 1 } },
    { serverAlias: "a" },
    { virtualHost: "*:80" },
    { virtualHost: { "*:80": { listen: 80 } } },
    { location: { "/": { serverName: "a" } } },
    { proxy: { x: { balancerMember: { url: { a: 1 } } } } },
  ];
  for (const value of bad) {
    test(`refuses ${JSON.stringify(value)}`, () => assert.ok(!validator.safeParse(value).success));
  }
});
