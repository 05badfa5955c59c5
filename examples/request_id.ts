/** RequestId FIELD: each request has an id, the client's or a new one. Backend and client get it, logs have it as %{REQUEST_ID}e. */
import { DECLINED, defineModule, getModuleConfig, HeaderTable, postReadRequest, z } from "sluice";

const requestId = defineModule({
  name: "mod_request_id",
  config: z.object({ field: z.string().default("") }),
  commands: ({ take1 }) => [take1("RequestId", "server", "field", "the field that has a request's id")],
  registerHooks({ hook }) {
    hook(postReadRequest, (r) => {
      const { field } = getModuleConfig(r.server.config, requestId);
      if (field === "") return DECLINED;
      const id = r.headersIn.get(field) ?? crypto.randomUUID();
      r.headersIn.set(field, id); // what the backend gets
      (r.errHeadersOut ??= new HeaderTable()).set(field, id); // what the client gets, of error pages, too
      r.env.set("REQUEST_ID", id);
      return DECLINED; // the next function of this hook is asked, too
    });
  },
});
export default requestId;
