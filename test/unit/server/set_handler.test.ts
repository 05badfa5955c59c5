import assert from "node:assert/strict";
import { test } from "node:test";
import { makeServer } from "../../support/server.ts";

test('SetHandler "proxy:..." is refused, with the directive that does what is meant', () => {
  const conf = '<Location "/x">\nSetHandler "proxy:http://127.0.0.1:1"\n</Location>\n';
  assert.throws(() => makeServer(conf), /SetHandler proxy:http:\/\/127\.0\.0\.1:1 asks for files .*: use ProxyPass/);
});
