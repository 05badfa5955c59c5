/** ftp:// backends through the whole program: the commands that a server gets, and what becomes of its replies. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, beforeEach, test } from "node:test";
import { freePort } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import {
  close,
  type FtpOptions,
  type FtpReply,
  type FtpServer,
  silence,
  startFtpServer,
} from "../support/ftp_server.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const FILES: FtpOptions = {
  files: { "/hello.txt": "hello\n", "/sub/a.html": "<p>", "/etc/passwd": "root", "/star*": "star", "/é": "no" },
  listings: { "/": "drwx 1 sub\r\n-rw 1 hello.txt\r\n-rw 1 cut", "/sub": "-rw 1 a.html\r\n", "/etc": "" },
  times: { "/hello.txt": "20260102030405.678" },
};
let ftp: FtpServer;
let sluice: Sluice;

before(async () => {
  ftp = await startFtpServer();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName front.test
    AllowEncodedSlashes NoDecode
    LogLevel info
    Timeout 1
    AddType text/plain .txt
    AddEncoding x-gzip .gz
    ProxyPass "/f/" "${ftp.url}/"
    ProxyPass "/sub/" "${ftp.url}/sub/"
    ProxyPass "/user/" "ftp://Bob:s%40d@${ftp.authority}/"
    ProxyPass "/name/" "ftp://Bob@${ftp.authority}/"
    ProxyPass "/refused/" "ftp://127.0.0.1:1/"
    ProxyPass "/unknown/" "ftp://nowhere.invalid/"
    <Location "/names/">
      ProxyPass "${ftp.url}/"
      ProxyFtpListOnWildcard Off
      ProxyFtpEscapeWildcards Off
      ProxyFtpDirCharset utf-8
    </Location>
    <Proxy "balancer://b">
      BalancerMember "${ftp.url}"
    </Proxy>
    ProxyPass "/b/" "balancer://b/"
  `);
});

after(async () => {
  await sluice?.stop();
  await ftp?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await ftp.untilIdle();
  ftp.options = { ...FILES };
  ftp.take();
});

const LOGIN = "USER anonymous | PASS apache-proxy@";
const basic = (login: string): string => `Authorization: Basic ${btoa(login)}`;

/** What a request ends with, and the commands that it cost. */
async function ask(target: string, fields: string[] = [], replies: Record<string, FtpReply> = {}) {
  ftp.options = { ...FILES, replies };
  const response = await fetchOnce(sluice.port, target, ...fields);
  await ftp.untilIdle();
  return { response, commands: ftp.take().join(" | ") };
}

test("a file: its size, time and type", async () => {
  const { response, commands } = await ask("/f/hello.txt");
  assert.equal(response.status, 200);
  assert.equal(response.text, "hello\n");
  assert.equal(response.field("Content-Length"), "6");
  assert.equal(response.field("Content-Type"), "text/plain");
  assert.equal(response.field("Last-Modified"), "Fri, 02 Jan 2026 03:04:05 GMT");
  assert.equal(
    commands,
    `${LOGIN} | EPSV | TYPE I | SIZE hello.txt | PWD | TYPE I | MDTM hello.txt | RETR hello.txt | QUIT`,
  );
});

test("a Range has no effect, by way of a balancer neither", async () => {
  for (const path of ["/f/hello.txt", "/b/hello.txt"]) {
    const { response } = await ask(path, ["Range: bytes=0-1"]);
    assert.deepEqual([response.status, response.text, response.field("Content-Range")], [200, "hello\n", undefined]);
  }
});

test("paths: one CWD for each directory; /%2f is the root; type=a has no length", async () => {
  assert.match((await ask("/sub/a.html")).commands, /CWD sub \| EPSV \| TYPE I \| SIZE a\.html/);
  assert.match((await ask("/f/%2fetc/passwd")).commands, /CWD \/ \| CWD etc \| EPSV \| TYPE I \| SIZE passwd/);
  const ascii = await ask("/f/hello.txt;type=a?x=y");
  assert.match(ascii.commands, /TYPE A \| SIZE hello\.txt \| PWD \| TYPE A/);
  assert.equal(ascii.response.field("Content-Length"), undefined);
  assert.equal(ascii.response.text, "hello\n");
});

test("a directory is a page; SIZE tells it from a file", async () => {
  const { response, commands } = await ask("/f/", [], { PASS: "230-Hello <you>\r\n more\r\n230 end" });
  assert.equal(commands, `${LOGIN} | EPSV | PWD | TYPE A | LIST -lag | QUIT`);
  assert.equal(response.field("Content-Type"), "text/html;charset=ISO-8859-1");
  assert.match(
    response.text,
    /<h2>Directory of <a href="\/">http:\/\/test<\/a>\/<a href="\/f\/">f<\/a>\/<\/h2>\n\n {2}<hr/,
  );
  assert.match(response.text, /<pre>Hello &lt;you&gt;\n<\/pre>/);
  assert.match(response.text, /\ndrwx 1 <a href="sub\/">sub<\/a>\n-rw 1 <a href="hello.txt">hello.txt<\/a>\n<\/pre>/);

  const sub = await ask("/names/sub");
  assert.equal(sub.commands, `${LOGIN} | EPSV | TYPE I | SIZE sub | CWD sub | PWD | TYPE A | LIST -lag | QUIT`);
  assert.match(sub.response.text, /<base href="http:\/\/test\/names\/sub\/">/);
  assert.match(sub.response.text, /<\/h2>\n\n\(\/sub\)\n/);
  assert.equal(sub.response.field("Content-Type"), "text/html;charset=utf-8");

  const packed = await ask("/f/*.gz");
  assert.equal(packed.response.field("Content-Encoding"), undefined);
  assert.equal((await ask("/f/", [], { PWD: '257 "SYS$DISK"' })).commands.includes("LIST |"), true);
});

test("a server without SIZE: RETR decides", async () => {
  const unknown = { SIZE: "502 what?" };
  assert.match(
    (await ask("/f/sub", [], unknown)).commands,
    /RETR sub \| TYPE A \| CWD sub \| PWD \| LIST -lag \| QUIT$/,
  );
  assert.equal((await ask("/f/none", [], unknown)).response.status, 404);
  const file = await ask("/f/hello.txt", [], unknown);
  assert.equal(file.response.text, "hello\n");
  assert.equal(file.response.field("Transfer-Encoding"), "chunked");
});

test("wildcards list; switched off they are names, escaped or not", async () => {
  assert.match((await ask("/f/s*")).commands, /EPSV \| PWD \| TYPE A \| LIST s\* \| QUIT/);
  assert.match((await ask("/f/s*/x")).commands, /CWD s\\\*$/);
  const name = await ask("/names/star*");
  assert.match(name.commands, /SIZE star\* \| .*RETR star\*/);
  assert.equal(name.response.text, "star");
});

test("HEAD asks for no data, unless nothing else says whether there is a file", async () => {
  await using client = await connectClient(sluice.port);
  const known = await client.request("HEAD", "/f/hello.txt", []);
  assert.equal(known.status, 200);
  assert.equal(known.field("Content-Length"), "6");
  await ftp.until(() => ftp.commands.includes("QUIT"), "QUIT");
  assert.equal(ftp.take().join(" | "), `${LOGIN} | TYPE I | SIZE hello.txt | PWD | TYPE I | MDTM hello.txt | QUIT`);
  ftp.options = { ...FILES, replies: { SIZE: "502 what?" } };
  assert.equal((await client.request("HEAD", "/f/none", [])).status, 404);
  assert.equal((await client.request("HEAD", "/f/hello.txt", [])).status, 200);
});

test("other methods are not there", async () => {
  await using client = await connectClient(sluice.port);
  const response = await client.request("PUT", "/f/new.txt", [], "data");
  assert.equal(response.status, 501);
  assert.equal(response.field("Allow"), "TRACE");
  assert.deepEqual(ftp.commands, []);
});

test("who logs in: the client, else the URL, else anonymous", async () => {
  const who = async (target: string, ...fields: string[]) => (await ask(target, fields)).commands.split(" | EPSV")[0];
  assert.equal(await who("/f/hello.txt", basic("joe:a:b")), "USER joe | PASS a:b");
  assert.equal(await who("/user/hello.txt"), "USER Bob | PASS s@d");
  assert.equal(await who("/user/hello.txt", basic("joe:x")), "USER joe | PASS x");
  assert.equal(await who("/user/hello.txt", "Authorization: Bearer x"), "USER Bob | PASS s@d");
  assert.equal(await who("/f/hello.txt", basic(":x")), LOGIN);
});

test("a login that fails is asked for", async () => {
  const refused = await ask("/f/hello.txt", [basic('j"o:x')], { PASS: "530 no" });
  assert.equal(refused.response.status, 401);
  assert.equal(refused.response.field("WWW-Authenticate"), 'Basic realm="j\\"o@"');
  assert.equal(refused.commands, 'USER j"o | PASS x');
  assert.equal(
    (await ask("/f/hello.txt", [], { USER: "530 no" })).response.field("WWW-Authenticate"),
    'Basic realm=""',
  );
  assert.equal((await ask("/name/hello.txt")).response.field("WWW-Authenticate"), 'Basic realm="Bob@"');
  assert.match(sluice.errorLog, /\[proxy_ftp:info\].*AH01035: missing or failed auth to Bob@/);
  assert.equal((await ask("/f/hello.txt", [], { PASS: "332 account?" })).response.status, 401);
});

test("nothing that a client sends becomes a command of its own", async () => {
  for (const target of ["/f/a%0d%0aDELE%20x", "/f/a%0a/b", "/b/a%0d%0aDELE%20x", "/f/%e9", "/f/hello.txt?%zz"]) {
    const { response, commands } = await ask(target);
    assert.equal(response.status, 400, target);
    assert.equal(commands, "", target);
  }
  for (const login of ["a\r\nDELE x:b", "a:b\nDELE x", "a%0d:b", "\xe9:b"]) {
    const { response, commands } = await ask("/f/hello.txt", [basic(login)]);
    assert.equal(response.status, 400);
    assert.match(response.text, /user credentials contained invalid character/);
    assert.equal(commands, "");
  }
});

test("the data connection: EPSV, PASV, PORT", async () => {
  assert.equal((await ask("/f/hello.txt", [], { EPSV: "500 no" })).response.text, "hello\n");
  assert.equal((await ask("/f/hello.txt", [], { EPSV: "229 what?" })).response.text, "hello\n");
  const active = await ask("/f/hello.txt", [], { EPSV: "502 no", PASV: "502 no" });
  assert.equal(active.response.text, "hello\n");
  assert.match(active.commands, /PASV \| PORT 127,0,0,1,\d+,\d+ \|/);
  const port = await freePort();
  const failed = await ask("/f/hello.txt", [], { EPSV: `229 go (|||${port}|)` });
  assert.equal(failed.response.status, 502);
  assert.match(failed.response.text, new RegExp(`EPSV attempt to connect to 127.0.0.1:${port} failed - firewall/NAT`));
  assert.match(sluice.errorLog, /\(111\)Connection refused: .*AH01043: EPSV attempt/);
});

const REFUSALS: readonly [
  why: string,
  status: number,
  target: string,
  replies: Record<string, FtpReply>,
  reason?: RegExp,
][] = [
  ["no greeting", 502, "/f/hello.txt", { GREETING: close }, /Error reading from remote server/],
  ["another greeting", 502, "/f/hello.txt", { GREETING: "500 <no>" }, /&lt;no&gt;/],
  ["not yet", 503, "/f/hello.txt", { GREETING: "120 ready in 5 minutes" }],
  ["it closes", 502, "/f/hello.txt", { PASS: "421 bye" }, /Error reading from remote server/],
  ["silence", 502, "/f/hello.txt", { PASS: silence }, /Error reading from remote server/],
  ["no such user command", 502, "/f/hello.txt", { USER: "500 what" }, /what/],
  ["no such file", 404, "/f/none", {}],
  ["no such directory", 404, "/f/none/x", {}],
  ["a directory that cannot be entered", 502, "/f/sub/x", { CWD: "502 no CWD" }, /no CWD/],
  ["no data", 502, "/f/hello.txt", { RETR: "425 no data" }, /no data/],
  ["no listing", 502, "/f/", { LIST: "450 busy" }, /busy/],
  ["a type that is none", 400, "/f/hello.txt;type=z", {}, /types 'a', 'i', or 'e'/],
  ["a slash in a name", 400, "/f/a%2fb", {}, /only allowed at the base directory/],
  ["an endless reply", 502, "/f/hello.txt", { PASS: `230-${"x".repeat(70_000)}` }, /Error reading/],
  ["nobody listens", 503, "/refused/x", {}],
  ["nobody knows the name", 502, "/unknown/x", {}, /Error resolving backend address/],
];

for (const [why, status, target, replies, reason] of REFUSALS) {
  test(`${why}: ${status}`, async () => {
    const { response } = await ask(target, [], replies);
    assert.equal(response.status, status);
    if (reason !== undefined) assert.match(response.text, reason);
    assert.equal(response.field("Retry-After"), why === "not yet" ? "300" : undefined);
  });
}

test("a file that was cut short is not passed off as whole", async () => {
  const short = await ask("/f/hello.txt", [], { SIZE: "213 30" });
  assert.equal(short.response.complete, false);
  const told = await ask("/f/hello.txt", [], { SIZE: "502 no", FINAL: "426 aborted" });
  assert.equal(told.response.complete, false);
  const gone = await ask("/f/hello.txt", [], { SIZE: "502 no", FINAL: close });
  assert.equal(gone.response.complete, true);
});

test("more than SIZE said does not run into the next response", async () => {
  ftp.options = { ...FILES, replies: { SIZE: "213 3" } };
  await using client = await connectClient(sluice.port);
  assert.equal((await client.get("/f/hello.txt")).text, "hel");
  assert.equal((await client.get("/f/hello.txt")).text, "hel");
});

test("a slow client holds the server back, and gets everything", async () => {
  const total = 24 * 1024 * 1024;
  let sent = 0;
  let stuck = false;
  const chunk = Buffer.alloc(65_536, "x");
  ftp.options.files = {
    "/big": async (data) => {
      while (sent < total && !data.destroyed) {
        sent += chunk.length;
        if (data.write(chunk)) continue;
        await new Promise<void>((resolve) => {
          const waited = setTimeout(() => {
            stuck = true;
            ftp.changed();
          }, 300);
          data.once("drain", () => {
            clearTimeout(waited);
            resolve();
          });
        });
      }
    },
  };
  await using client = await connectClient(sluice.port);
  client.pause();
  const response = client.get("/f/big");
  await ftp.until(() => stuck, "a transfer that waits");
  assert.ok(sent < total, `${sent} bytes were taken`);
  client.resume();
  assert.equal((await response).text.length, total);
});

test("a client that leaves ends both connections", async () => {
  ftp.options.files = { "/endless": (data) => new Promise((resolve) => data.once("close", () => resolve())) };
  const client = await connectClient(sluice.port);
  void client.get("/f/endless").catch(() => {});
  await ftp.until(() => ftp.commands.some((command) => command.startsWith("RETR")), "RETR");
  await client.head(0);
  client.destroy();
  await ftp.untilIdle();
});
