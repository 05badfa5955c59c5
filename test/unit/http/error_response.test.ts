/** ErrorDocument and the pages that the server makes itself. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeServer } from "../../support/server.ts";

const request = (method: string, target: string): string =>
  `${method} ${target} HTTP/1.1\r\nHost: www.example:81\r\n\r\n`;

function ask(conf: string, target = "/x", method = "GET"): { head: string; body: string; status: number; log: string } {
  const server = makeServer(`CustomLog log "%>s %<s %U %m"\n${conf}`);
  const client = server.connect();
  client.feed(request(method, target));
  server.end();
  const [head, body] = client.written.split("\r\n\r\n");
  return { head: head!, body: body!, status: Number(head!.slice(9, 12)), log: server.logs.log! };
}

describe("ErrorDocument", () => {
  it("is a text, in UTF-8", () => {
    const { head, body, status } = ask('ErrorDocument 404 "nichts hier: ü <b>€</b>"');
    assert.equal(status, 404);
    assert.equal(Buffer.from(body, "latin1").toString(), "nichts hier: ü <b>€</b>");
    assert.match(head, new RegExp(`^Content-Length: ${body.length}$`, "m"));
    assert.match(head, /^Content-Type: text\/html; charset=iso-8859-1$/m);
    assert.equal(ask("ErrorDocument 404 word").body, "word");
  });

  it("is a redirect for a URL of another server: the client sees 302", () => {
    const { head, body, status, log } = ask("ErrorDocument 404 http://other.example/a?b&c");
    assert.equal(status, 302);
    assert.match(head, /^Location: http:\/\/other\.example\/a\?b&c\r$/m);
    assert.match(body, /<a href="http:\/\/other\.example\/a\?b&amp;c">here<\/a>/);
    assert.equal(log, "302 302 /x GET\n");
  });

  it("that is not there itself leads back to the page of the first error", () => {
    const { body, status, log } = ask("ErrorDocument 404 /gone");
    assert.equal(status, 404);
    assert.match(body, /<h1>Not Found<\/h1>.*could not be had: 404 Not Found/s);
    assert.equal(log, "404 404 /x GET\n");
  });

  it("of an inner section counts; default takes the server's page back", () => {
    const conf = `ErrorDocument 404 "outer"
      <Location "/in">
        ErrorDocument 404 "inner"
      </Location>
      <Location "/in/def">
        ErrorDocument 404 default
      </Location>
      <VirtualHost *:80>
        ServerName www.example
        ErrorDocument 405 "vhost"
      </VirtualHost>`;
    assert.equal(ask(conf).body, "outer");
    assert.equal(ask(conf, "/in/x").body, "inner");
    assert.match(ask(conf, "/in/def").body, /<title>404 Not Found/);
    assert.equal(ask(conf, "/x", "PUT").body, "vhost");
  });

  it("is ignored as a URL for 401, and refused for a status that is none", () => {
    const server = makeServer("ErrorDocument 401 http://a/");
    assert.match(server.errors.join(""), /AH00113: .*cannot use a full URL in a 401/);
    for (const code of ["299", "600", "abc", "0404"]) {
      assert.throws(() => makeServer(`ErrorDocument ${code} x`), { message: `Unsupported HTTP response code ${code}` });
    }
  });
});

describe("a page of the server", () => {
  it("has neither a body nor its length for HEAD", () => {
    const { head, body } = ask("", "/x", "HEAD");
    assert.equal(body, "");
    assert.doesNotMatch(head, /^Content-Length:/m);
    assert.equal(ask('ErrorDocument 404 "text"', "/x", "HEAD").body, "");
  });

  it("names the methods that are allowed for 405 and 501, and escapes the method", () => {
    assert.match(ask("", "/x", "PUT").head, /^HTTP\/1\.1 405 .*^Allow: POST,OPTIONS,HEAD,GET,TRACE\r$/ms);
    const { head, body } = ask("", "/x", "FOO&");
    assert.match(head, /^HTTP\/1\.1 501 .*^Allow: /ms);
    assert.match(body, /FOO&amp;/);
  });

  it("is signed by ServerSignature: product, name and port as the client knows them", () => {
    assert.doesNotMatch(ask("").body, /address/);
    const on = ask("ServerSignature On").body;
    assert.match(on, /<hr>\n<address>Apache\/2\.4\.71 \(sluice\) Server at www\.example Port 81<\/address>/);
    const mail = ask("ServerSignature EMail\nServerAdmin me@x.example\nUseCanonicalName On\nServerTokens Prod").body;
    assert.match(mail, /Apache Server at <a href="mailto:me@x\.example">test\.example<\/a> Port 80/);
  });
});

describe("limits", () => {
  it("LimitInternalRecursion is refused below one", () => {
    for (const args of ["0", "x", "3 0"]) {
      assert.throws(
        () => makeServer(`LimitInternalRecursion ${args}`),
        /The recursion limit must be greater than zero\./,
      );
    }
  });

  it("LimitRequestBody is 413 for what is not proxied", () => {
    const post = (conf: string) => {
      const server = makeServer(conf);
      const client = server.connect();
      client.feed("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world");
      return client.written.slice(9, 12);
    };
    assert.equal(post("LimitRequestBody 10"), "413");
    assert.equal(post("LimitRequestBody 11"), "404");
    assert.equal(post("LimitRequestBody 10\n<Location />\nLimitRequestBody 0\n</Location>"), "404");
  });

  it("HttpProtocolOptions: methods and HTTP/0.9", () => {
    assert.equal(ask("HttpProtocolOptions RegisteredMethods\nProxyPass / http://127.0.0.1:9/", "/", "FOO").status, 501);
    const old = makeServer("HttpProtocolOptions Require1.0").connect();
    old.feed("GET /\r\n");
    assert.match(old.written, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.throws(() => makeServer("HttpProtocolOptions Unsafe"), /Unsafe is not supported/);
    assert.throws(() => makeServer("HttpProtocolOptions Allow0.9 Require1.0"), /are mutually exclusive/);
    makeServer("Protocols h2 http/1.1");
    makeServer("Protocols http/1.1\nProtocolsHonorOrder On");
  });
});
