/** Who may have it: Require, Order, Basic authentication and remoteip, through the whole program. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

/** Hashes of htpasswd: ann by MD5, bob by SHA-1, eve by a kind that is refused; all "pw". */
const USERS = `# users
ann:$apr1$coFoHg.7$dhUStH8ThdjW9qKvHuZSO/
bob:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=
ann:second lines do not count
eve:rl.3StKT.4T8M
`;

const AUTH = 'AuthType Basic\nAuthName "The \\"house\\""\nAuthUserFile users\nAuthGroupFile groups\n';
const SECTIONS: Record<string, string> = {
  denied: "Require all denied",
  "denied/open": "Require all granted",
  "denied/or": "AuthMerging Or\nRequire method POST",
  here: "Require ip 127.0.0.0/8",
  elsewhere: "Require ip 192.0.2.0/24 2001:db8::/32",
  post: "Require method POST",
  but: "<RequireAll>\nRequire local\n<RequireNone>\nRequire method DELETE PUT\n</RequireNone>\n</RequireAll>",
  host: "Require host localhost",
  dns: "Require forward-dns localhost",
  order: "Order deny,allow\nDeny from all\nAllow from 192.0.2.1",
  limit: "<Limit POST>\nRequire all denied\n</Limit>",
  except: "<LimitExcept GET>\nOrder allow,deny\n</LimitExcept>",
  valid: `${AUTH}Require valid-user`,
  user: `${AUTH}Require user bob`,
  group: `${AUTH}Require group staff`,
  forbidden: `${AUTH}AuthzSendForbiddenOnFailure On\nRequire user bob`,
  either: `${AUTH}Require ip 127\nRequire valid-user`,
  satisfy: `${AUTH}Require valid-user\nSatisfy Any\nOrder deny,allow\nDeny from all\nAllow from 127.0.0.1`,
  noname: "AuthType Basic\nAuthUserFile users\nRequire valid-user",
  notype: "Require valid-user",
  nofile: "AuthType Basic\nAuthName x\nAuthUserFile nothing\nRequire valid-user",
  fake: `${AUTH}Require valid-user\nAuthBasicFake demo secret`,
};

const CONF = () => `
  Listen 127.0.0.1:PORT
  Listen 127.0.0.1:PORT2
  Listen 127.0.0.1:PORT3
  ServerRoot DIR
  ServerName a.test
  Timeout 2
  ProxyPass "/" "${backend.url}/"
  ${Object.entries(SECTIONS)
    .map(([path, body]) => `<Location "/${path}">\n${body}\n</Location>`)
    .join("\n")}
  <Proxy "${backend.url}/walled">
    Require all denied
  </Proxy>
  <Directory "/srv">
    Require all denied
  </Directory>
  <VirtualHost *:PORT2>
    RemoteIPHeader X-Forwarded-For
    RemoteIPInternalProxy 127.0.0.1
    ProxyPass "/" "${backend.url}/"
  </VirtualHost>
  <VirtualHost *:PORT3>
    RemoteIPProxyProtocol On
    ProxyPass "/" "${backend.url}/"
  </VirtualHost>
`;

/** What is refused, and its ErrorDocument: the same section holds for both, or another one does. */
const DOCUMENTS: [conf: string, path: string, page: string | null][] = [
  ["<Location />\nRequire ip 192.0.2.1\n</Location>", "/x", "/page"],
  ["<Location />\nRequire ip 192.0.2.1\n</Location>\n<Location /x>\nSetEnv A\n</Location>", "/x", null],
  ["<Location /x>\nRequire ip 192.0.2.1\n</Location>\n<Location /page>\nRequire ip 192.0.2.1\n</Location>", "/x", null],
  ["<Proxy *>\nRequire ip 192.0.2.1\n</Proxy>", "/x", null],
  ['<If "%{REQUEST_URI} =~ /x/">\nRequire all denied\n</If>', "/x", "/page"],
];
for (const [conf, path, page] of DOCUMENTS) {
  test(`an ErrorDocument may be had, or not, where who asks was refused: ${conf}`, async () => {
    await using pages = await startBackend((request) => ok(request.target));
    await using server = await startSluice(
      `Listen 127.0.0.1:PORT\nServerName a.test\nErrorDocument 403 /page\n${conf}\nProxyPass / ${pages.url}/`,
    );
    await using client = await connectClient(server.port);
    const answer = await client.get(path);
    if (page !== null) assert.equal(answer.text, page);
    else assert.equal(answer.status, 403);
  });
}

before(async () => {
  backend = await startBackend((request) => ok(request.field("authorization") ?? "none"));
  sluice = await startSluice(CONF(), { files: { users: USERS, groups: "staff: ann\nothers : bob eve\n" } });
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const basic = (user: string, password = "pw"): string => `Authorization: Basic ${btoa(`${user}:${password}`)}`;

async function status(path: string, method = "GET", ...fields: string[]): Promise<number> {
  await using client = await connectClient(sluice.port);
  return (await client.request(method, path, ["Host: a.test", ...fields])).status;
}

const STATUSES: [path: string, method: string, status: number][] = [
  ["/free", "GET", 200],
  ["/denied", "GET", 403],
  ["/denied/x", "OPTIONS", 403],
  ["/deniedx", "GET", 200],
  ["/denied/open", "GET", 200],
  ["/denied/or", "GET", 403],
  ["/denied/or", "POST", 200],
  ["/here", "GET", 200],
  ["/elsewhere", "GET", 403],
  ["/post", "POST", 200],
  ["/post", "GET", 403],
  ["/but", "GET", 200],
  ["/but", "PUT", 403],
  ["/host", "GET", 200],
  ["/dns", "GET", 200],
  ["/order", "GET", 403],
  ["/limit", "GET", 200],
  ["/limit", "POST", 403],
  ["/except", "GET", 200],
  ["/except", "POST", 403],
  ["/walled", "GET", 403],
  ["/valid", "GET", 401],
  ["/either", "GET", 200],
  ["/satisfy", "GET", 200],
  ["/noname", "GET", 500],
  ["/notype", "GET", 500],
  ["/nofile", "GET", 401],
];
for (const [path, method, expected] of STATUSES) {
  test(`${expected} for ${method} ${path}`, async () => assert.equal(await status(path, method), expected));
}

const USER_STATUSES: [path: string, user: string, password: string, status: number][] = [
  ["/valid", "ann", "pw", 200],
  ["/valid", "ann", "wrong", 401],
  ["/valid", "bob", "pw", 200],
  ["/valid", "nobody", "pw", 401],
  ["/valid", "eve", "pw", 401],
  ["/valid", "", "", 401],
  ["/user", "bob", "pw", 200],
  ["/user", "ann", "pw", 401],
  ["/forbidden", "ann", "pw", 403],
  ["/group", "ann", "pw", 200],
  ["/group", "bob", "pw", 401],
  ["/nofile", "ann", "pw", 500],
];
for (const [path, user, password, expected] of USER_STATUSES) {
  test(`${expected} for ${user}:${password} at ${path}`, async () =>
    assert.equal(await status(path, "GET", basic(user, password)), expected));
}

test("401 asks for a user, 403 does not; the backend sees neither", async () => {
  const before = backend.requests.length;
  const asked = await fetchOnce(sluice.port, "/valid", "Host: a.test");
  assert.deepEqual([asked.status, asked.field("www-authenticate")], [401, 'Basic realm="The \\"house\\""']);
  const again = await fetchOnce(sluice.port, "/user", "Host: a.test", basic("ann"));
  assert.deepEqual([again.status, again.field("www-authenticate")], [401, 'Basic realm="The \\"house\\""']);
  const denied = await fetchOnce(sluice.port, "/denied", "Host: a.test", basic("ann"));
  assert.deepEqual([denied.status, denied.field("www-authenticate")], [403, undefined]);
  assert.equal(backend.requests.length, before);
});

test("what the client sent goes on to the backend, AuthBasicFake instead of it", async () => {
  assert.equal((await fetchOnce(sluice.port, "/valid", "Host: a.test", basic("bob"))).text, basic("bob").slice(15));
  const fake = await fetchOnce(sluice.port, "/fake", "Host: a.test", basic("bob"));
  assert.equal(fake.text, `Basic ${btoa("demo:secret")}`);
});

test("many requests on one connection, some of which wait for a hash", async () => {
  await using client = await connectClient(sluice.port);
  for (const [path, user, expected] of [
    ["/valid", "ann", 200],
    ["/denied", "ann", 403],
    ["/valid", "eve", 401],
    ["/free", "eve", 200],
    ["/valid", "bob", 200],
  ] as const) {
    const response = await client.get(path, "Host: a.test", basic(user));
    assert.equal(response.status, expected, path);
  }
});

test("a password file that changes is read again", async () => {
  writeFileSync(join(sluice.dir, "users"), USERS.replace("bob:", "rob:"));
  assert.equal(await status("/valid", "GET", basic("bob")), 401);
  assert.equal(await status("/valid", "GET", basic("rob")), 200);
  writeFileSync(join(sluice.dir, "users"), USERS);
  assert.equal(await status("/valid", "GET", basic("bob")), 200);
});

test("the log says why", async () => {
  await status("/denied");
  await status("/order");
  await status("/valid", "GET", basic("ann", "x"));
  await status("/valid", "GET", basic("nobody"));
  await status("/valid", "GET", basic("eve"));
  await status("/user", "GET", basic("ann"));
  await status("/valid", "GET", "Authorization: Bearer x");
  const url = `proxy:${backend.url}`;
  for (const line of [
    `[authz_core:error] `,
    `AH01630: client denied by server configuration: ${url}/denied`,
    `AH01797: client denied by server configuration: ${url}/order`,
    'AH01617: user ann: authentication failure for "/valid": Password Mismatch',
    "AH01618: user nobody not found: /valid",
    "user eve: DES crypt hashes are not supported: make one by htpasswd -B in ",
    'AH01631: user ann: authorization failure for "/user": ',
    "AH01614: client used wrong authentication scheme: /valid",
  ] as const) {
    await sluice.untilLog(line);
  }
});

describe("mod_remoteip", () => {
  const seen = () => backend.requests.at(-1)!.field("x-forwarded-for");

  test("RemoteIPHeader: the address goes to the backend, what was consumed is gone", async () => {
    const fields = ["Host: a.test", "X-Forwarded-For: 198.51.100.1, 203.0.113.5"];
    assert.equal((await fetchOnce(sluice.ports[1]!, "/", ...fields)).status, 200);
    assert.equal(seen(), "198.51.100.1, 203.0.113.5");
    await fetchOnce(sluice.ports[1]!, "/", "Host: a.test");
    assert.equal(seen(), "127.0.0.1");
    assert.equal(
      (await fetchOnce(sluice.ports[1]!, "/elsewhere", "Host: a.test", "X-Forwarded-For: 192.0.2.7")).status,
      200,
    );
    assert.equal(
      (await fetchOnce(sluice.ports[1]!, "/here", "Host: a.test", "X-Forwarded-For: 192.0.2.7")).status,
      403,
    );
    assert.equal(
      (await fetchOnce(sluice.port, "/elsewhere", "Host: a.test", "X-Forwarded-For: 192.0.2.7")).status,
      403,
    );
  });

  const GET = "GET /elsewhere HTTP/1.1\r\nHost: a.test\r\n\r\n";
  const V2 = new Uint8Array(28);
  V2.set([13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 9, 10, 0, 0, 1, 1, 1, 2, 2]);

  test("PROXY protocol, versions 1 and 2, whole and byte by byte, for every request of the connection", async () => {
    const v1 = new TextEncoder().encode("PROXY TCP6 2001:db8::7 ::1 1234 80\r\n");
    for (const [header, ip] of [
      [v1, "2001:db8::7"],
      [V2, "192.0.2.9"],
    ] as const) {
      for (const whole of [true, false]) {
        await using client = await connectClient(sluice.ports[2]!);
        const bytes = new Uint8Array([...header, ...new TextEncoder().encode(GET)]);
        if (whole) void client.send(bytes);
        else for (const byte of bytes) await client.send(new Uint8Array([byte]));
        assert.equal((await client.response()).status, 200);
        assert.equal(seen(), ip);
        assert.equal((await client.get("/elsewhere", "Host: a.test")).status, 200);
        assert.equal((await client.get("/here", "Host: a.test", "X-Forwarded-For: 127.0.0.1")).status, 403);
      }
    }
  });

  for (const [name, bytes] of [
    ["none", GET],
    ["a malformed one", `PROXY TCP4 nonsense\r\n${GET}`],
    ["one in lower case", `proxy tcp4 192.0.2.9 10.0.0.1 1 2\r\n${GET}`],
    ["one of another version", `\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0${GET}`],
    ["one that never ends", `PROXY UNKNOWN ${"x".repeat(500)}`],
    ["two of them", `PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n`.repeat(2) + GET],
  ] as const) {
    test(`PROXY protocol, and the header is ${name}: nothing reaches the backend`, async () => {
      const before = backend.requests.length;
      await using client = await connectClient(sluice.ports[2]!);
      void client.send(bytes);
      await client.untilEnded();
      assert.doesNotMatch(client.received, /^HTTP\/1.1 [23]/);
      assert.equal(backend.requests.length, before);
    });
  }

  test("PROXY protocol: who sends no header in time is cut off", async () => {
    await using client = await connectClient(sluice.ports[2]!);
    await client.untilEnded();
    await sluice.untilLog("RemoteIPProxyProtocol: no PROXY header in time");
  });
});

test("the same from YAML", async () => {
  const yaml = `
listen: 127.0.0.1:PORT
serverName: a.test
proxyPass: / ${backend.url}/
location:
  /a:
    requireAll:
      require: [local, not method PUT]
  /b:
    requireAll:
      - require: local
      - requireNone: { require: method GET }
`;
  await using other = await startSluice(yaml, { syntax: "yaml" });
  const seen = async (method: string, path: string) => {
    await using client = await connectClient(other.port);
    return (await client.request(method, path, ["Host: a.test"])).status;
  };
  assert.deepEqual(
    [await seen("GET", "/a"), await seen("PUT", "/a"), await seen("GET", "/b"), await seen("PUT", "/b")],
    [200, 403, 403, 200],
  );
});
