import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ConfigError, createHandler, type HandlerOptions } from "../../../mod.ts";
import { portablePlugins } from "../../../plugins/portable.ts";
import { standardPlugins } from "../../../plugins/standard.ts";

const refusal = async (config: string, target: NonNullable<HandlerOptions["target"]>): Promise<string | null> => {
  try {
    await (await createHandler(config, { target })).close();
    return null;
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    // The first line says where, the second what.
    return `${error.position?.line} ${error.message.split("\n")[1]}`;
  }
};

test("createHandler() names the directive that the host cannot serve, and its line", async () => {
  const pass = "ProxyPass / http://127.0.0.1:1/\n";
  assert.equal(
    await refusal(`${pass}ErrorLog /tmp/sluice-capabilities.log`, "deno-deploy"),
    '2 ErrorLog needs writable files, which the host "deno-deploy" does not give',
  );
  assert.equal(
    await refusal("ProxyPass / unix:/tmp/x|http://a/", "vercel-bun"),
    '1 ProxyPass needs unix sockets, which the host "vercel-bun" does not give',
  );
  assert.equal(
    await refusal(`${pass}HeartbeatListen 239.0.0.1:27999`, "deno-deploy"),
    '2 HeartbeatListen needs udp, which the host "deno-deploy" does not give',
  );
  for (const line of ["Protocols h2 http/1.1", "H2Direct On"]) {
    const name = line.split(" ", 1)[0];
    assert.equal(await refusal(pass + line, "edge"), `2 ${name} needs sockets, which the host "edge" does not give`);
  }
  const member = "<Proxy balancer://a>\n BalancerMember http://127.0.0.1:1 hcmethod=TCP\n</Proxy>\n";
  assert.equal(await refusal(member, "edge"), '2 BalancerMember needs sockets, which the host "edge" does not give');
  assert.equal(await refusal(member, "deno-deploy"), null);
});

test("createHandler() refuses TLS: it does not listen, and nobody must be served in clear unawares", async () => {
  const certs = fileURLToPath(new URL("../../support/certs", import.meta.url));
  const host = `<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile ${certs}/a.pem\nSSLCertificateKeyFile ${certs}/a.key\n</VirtualHost>`;
  assert.match((await refusal(host, "container")) ?? "", /^2 SSLEngine on: a handler does not listen/);
  assert.equal(await refusal(host.replace("Engine on", "Engine off"), "container"), null);
});

test("the same from YAML and from an object", async () => {
  const member = { url: "http://127.0.0.1:1", hcmethod: "TCP" };
  const config = { proxy: { "balancer://a": { balancerMember: [member] } } };
  for (const form of [config, JSON.stringify(config)]) {
    await assert.rejects(createHandler(form, { target: "edge" }), /balancerMember needs sockets/);
  }
});

test("what is asked for and given is no matter", async () => {
  assert.equal(await refusal("ErrorLog /dev/stderr\nProxyPass / http://127.0.0.1:1/", "edge"), null);
  assert.equal(await refusal("LogLevel warn\nProxyPass / unix:/tmp/x|http://a/", "container"), null);
});

test("plugins/portable.ts has each plug-in that ships and imports no node: module, in the same order", () => {
  const root = fileURLToPath(new URL("../../../plugins/", import.meta.url));
  const needsNode = (folder: string): boolean =>
    readdirSync(join(root, folder)).some(
      (file) => file !== "kit.ts" && /from "(node:|bcryptjs)/.test(readFileSync(join(root, folder, file), "utf8")),
    );
  const folderOf = new Map<string, string>();
  for (const folder of readdirSync(root)) {
    if (folder.endsWith(".ts") || folder.endsWith(".md")) continue;
    for (const file of readdirSync(join(root, folder))) folderOf.set(file.replace(/\.ts$/, ""), folder);
  }
  const names = portablePlugins.map((module) => module.name);
  for (const { name } of standardPlugins) {
    // HTTP/2 on sockets of ours: hosts without node: have servers of their own.
    if (names.includes(name) || needsNode(folderOf.get(name)!) || name === "mod_http2") continue;
    assert.fail(`${name} imports no node: module: add it to plugins/portable.ts`);
  }
});

test("createHandler(): the message of a mistake is what the program prints: place, line, what to write instead", async () => {
  await assert.rejects(createHandler("ServerName a\n  ProxyPas / http://127.0.0.1:1/"), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.message.replace(/of .*\//, "of /").split("\n"), [
      "AH00526: Syntax error on line 2 of /handler.conf:",
      "Invalid command 'ProxyPas', perhaps misspelled or defined by a module not included in the server configuration",
      "    ProxyPas / http://127.0.0.1:1/",
      "    ^",
      "did you mean ProxyPass?",
    ]);
    assert.deepEqual([error.position?.line, error.position?.column, error.hint], [2, 3, "did you mean ProxyPass?"]);
    return true;
  });
});
