/**
 * mod_opentelemetry: `OpenTelemetry On` makes spans of requests, elections and attempts, by the tracer that the program was given
 * (`bun --preload`, `LoadModule NAME ./tracing.ts`, OTEL_DENO), and tells backends whose children theirs are. Without it
 * a trace context goes through as any field does.
 */
import {
  checkConfig,
  DECLINED,
  defineModule,
  getModuleConfig,
  logTransaction,
  OK,
  type ProcessRec,
  postReadRequest,
  preRequest,
  schemeHandler,
  z,
} from "../../modules/mod.ts";
import { loadOpenTelemetry } from "./api.ts";
import { RequestSpans } from "./spans.ts";

const openTelemetry = defineModule({
  name: "mod_opentelemetry",
  config: z.object({ on: z.boolean().default(false) }),
  commands: ({ flag }) => [
    flag("OpenTelemetry", "global", "on", "on to make spans of requests, elections and attempts"),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, begin);
  },
});
export default openTelemetry;

/** The hooks are there only where they are wanted. */
function begin(process: ProcessRec): void {
  if (!getModuleConfig(process.servers[0]!.config, openTelemetry).on) return;
  const spans = new RequestSpans(loadOpenTelemetry());
  process.takesTimes = true;
  const { hooks } = process;
  hooks.registering("mod_opentelemetry");
  hooks.hook(
    postReadRequest,
    (r) => {
      spans.begin(r);
      return DECLINED;
    },
    { rank: "reallyFirst" },
  );
  hooks.hook(
    preRequest,
    (r, attempt) => {
      spans.beginElection(r, attempt);
      return DECLINED;
    },
    { rank: "reallyFirst" },
  );
  hooks.hook(
    schemeHandler,
    (r, worker, url, attempt) => {
      spans.beginAttempt(r, worker, url, attempt);
      return DECLINED;
    },
    { rank: "reallyFirst" },
  );
  hooks.hook(
    logTransaction,
    (r) => {
      spans.end(r);
      return OK;
    },
    { rank: "reallyFirst" },
  );
}
