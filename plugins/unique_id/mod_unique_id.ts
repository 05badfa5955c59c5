/**
 * mod_unique_id: UNIQUE_ID, a name for each request that no other request of any server has. Since it costs something for
 * each of them, the module takes part only if a LoadModule line names it.
 * Source: httpd modules/metadata/mod_unique_id.c
 */
import {
  childInit,
  DECLINED,
  defineModule,
  type ProcessRec,
  postReadRequest,
  type RequestRec,
  type ServerRec,
  type Status,
  z,
} from "../../modules/mod.ts";

/** Seconds, what tells this start of this server from all others, a counter, and room for a thread's number. */
const SECONDS = 0;
const ROOT = 4;
const ROOT_BYTES = 10;
const COUNTER = 14;
const SIZE = 20;
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const uniqueId = defineModule({
  name: "mod_unique_id",
  config: z.object({}),
  onDemand: true,
  registerHooks({ hook }) {
    hook(childInit, begin);
    hook(postReadRequest, setUniqueId);
  },
});
export default uniqueId;

function begin(process: ProcessRec, main: ServerRec): void {
  const bytes = new DataView(new ArrayBuffer(SIZE));
  const random = process.host.randomBytes(ROOT_BYTES + 2);
  for (let i = 0; i < random.length; i++) bytes.setUint8(ROOT + i, random[i]!);
  main.state[uniqueId.index] = bytes;
}

function setUniqueId(r: RequestRec): Status {
  const bytes = r.conn.process.servers[0]!.state[uniqueId.index] as DataView;
  bytes.setUint32(SECONDS, Math.floor(r.requestTimeUs / 1_000_000));
  bytes.setUint16(COUNTER, (bytes.getUint16(COUNTER) + 1) & 0xffff);
  r.setEnv("UNIQUE_ID", encode(bytes));
  return DECLINED;
}

/** Base64 with the digits that URLs and cookies can have, without padding: 27 characters. */
function encode(bytes: DataView): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (let i = 0; i < SIZE; i++) {
    bits = (bits << 8) | bytes.getUint8(i);
    for (held += 8; held >= 6; held -= 6) text += DIGITS[(bits >> (held - 6)) & 63]!;
    bits &= 63;
  }
  return text + DIGITS[(bits << (6 - held)) & 63]!;
}
