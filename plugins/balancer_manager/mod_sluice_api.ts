/**
 * mod_sluice_api: `SetHandler sluice-api`, the balancers of a server for programs: JSON over HTTP below LOCATION/v1.
 */
import {
  answerByFetch,
  DECLINED,
  defineModule,
  handler,
  lookElsewhere,
  mayChangeServer,
  type RequestRec,
  type Status,
} from "../../modules/mod.ts";
import { answerEvents } from "./events.ts";
import { routes } from "./routes.ts";

const MAX_BODY_BYTES = 65_536;

export default defineModule({
  name: "mod_sluice_api",
  registerHooks({ hook }) {
    hook(handler, answer, { rank: "first" });
  },
});

function answer(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "sluice-api") return DECLINED;
  if (!mayChangeServer(r)) return 403;
  // The location may be anywhere: what is above the version is its path.
  const path = /\/v1(\/.*)$/.exec(r.encodedUri)?.[1];
  if (path === undefined) return 404;
  r.headersOut.set("X-Content-Type-Options", "nosniff");
  r.headersOut.set("Cache-Control", "no-cache");
  if (path === "/events" && r.method === "GET") return answerEvents(r);
  const looked = lookElsewhere(r.server.process);
  const serve = () => answerByFetch(r, path, MAX_BODY_BYTES, (request) => routes.fetch(request, { r }));
  return looked === null ? serve() : looked.then(serve);
}
