/**
 * PORT: a port of ours, for a server that opens the data connection itself.
 * Source: RFC 959 section 5.2; httpd modules/proxy/mod_proxy_ftp.c
 */
import type { Listener, ProcessRec, Socket, Timeout } from "../../modules/mod.ts";
import type { DataConnection } from "./data.ts";

export class ActivePort implements Timeout {
  deadline = 0;
  slot = 0;
  private readonly process: ProcessRec;
  private readonly server: string;
  private readonly data: DataConnection;
  private listener: Listener | null = null;
  private came = false;
  private waiting: ((came: boolean) => void) | null = null;

  /** @param server the address that may connect: a port of ours is open to everybody else as well */
  constructor(process: ProcessRec, server: string, data: DataConnection) {
    this.process = process;
    this.server = server;
    this.data = data;
  }

  /** Answers what PORT is told. Rejects with a SocketError. @param address of ours, IPv4 */
  async listen(address: string): Promise<string> {
    this.listener = await this.process.sockets.listen({ address, port: 0 }, (socket) => this.accept(socket));
    const { port } = this.listener;
    return `${address.replaceAll(".", ",")},${port >> 8},${port & 255}`;
  }

  /** Waits for the server to connect; false: it did not. */
  connected(limitMs: number): Promise<boolean> {
    if (this.came) return Promise.resolve(true);
    this.process.wheel.arm(this, limitMs);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  close(): void {
    this.deadline = 0;
    this.listener?.close();
    const { waiting } = this;
    this.waiting = null;
    waiting?.(this.came);
  }

  expire(): void {
    this.close();
  }

  private accept(socket: Socket): void {
    if (this.came || socket.remoteAddress !== this.server) {
      socket.owner = STRANGER;
      socket.destroy();
      return;
    }
    this.came = true;
    this.data.accept(socket);
    this.close();
  }
}

const STRANGER = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
