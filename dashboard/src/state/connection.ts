// The one socket to the daemon. When it is lost it opens again, after growing delays, or at once when the page
// comes back into view. A browser does not say why a socket was refused, so a plain request finds out: is there
// no daemon, or is the page not signed in?

import { named } from "../facts/named";
import type { Message, Order } from "../facts/wire";

export type Link =
  | { is: "opening" }
  | { is: "open" }
  | { is: "lost"; since: number; retryAt: number }
  | { is: "signed-out" };

/** The parts of a browser that it uses; a test gives its own. */
export interface Outside {
  open(): Socket;
  isSignedIn(): Promise<boolean>;
  later(run: () => void, ms: number): () => void;
  now(): number;
  random(): number;
}

export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(text: string): void;
  close(): void;
}

const FIRST = 250;
const LONGEST = 2_000;

export class Connection {
  private socket: Socket | null = null;
  private failures = 0;
  private lostAt: number | null = null;
  private cancel: (() => void) | null = null;
  /** the last order of each kind: sent again after a reconnect */
  private readonly orders = new Map<string, Order>();

  constructor(
    private readonly outside: Outside,
    private readonly receive: (message: Message) => void,
    private readonly changed: (link: Link) => void,
  ) {}

  start(): void {
    this.cancel?.();
    this.cancel = null;
    const socket = this.outside.open();
    this.socket = socket;
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => this.received(socket, event.data);
    socket.onclose = () => this.closed(socket);
  }

  /** Do not wait any longer. */
  hurry(): void {
    if (this.cancel) this.start();
  }

  order(order: Order): void {
    this.orders.set(Object.keys(order)[0] ?? "", order);
    if (this.socket && this.lostAt === null && this.failures === 0) this.tell(this.socket, order);
  }

  private tell(socket: Socket, order: Order): void {
    try {
      socket.send(JSON.stringify(order));
    } catch {
      // Still opening, or closing: orders are told when it has opened.
    }
  }

  private opened(socket: Socket): void {
    if (socket !== this.socket) return;
    this.failures = 0;
    this.lostAt = null;
    for (const order of this.orders.values()) this.tell(socket, order);
    this.changed({ is: "open" });
  }

  private received(socket: Socket, data: unknown): void {
    if (socket !== this.socket || typeof data !== "string") return;
    this.receive(JSON.parse(data, named) as Message);
  }

  private closed(socket: Socket): void {
    if (socket !== this.socket) return;
    this.socket = null;
    this.lostAt ??= this.outside.now();
    const wait = Math.min(FIRST * 2 ** this.failures, LONGEST) * (0.8 + 0.4 * this.outside.random());
    this.failures = Math.min(this.failures + 1, 10);
    this.changed({ is: "lost", since: this.lostAt, retryAt: this.outside.now() + wait });
    this.cancel = this.outside.later(() => void this.again(), wait);
  }

  private async again(): Promise<void> {
    this.cancel = null;
    if (this.failures > 1 && !(await this.signedIn())) {
      this.changed({ is: "signed-out" });
      this.cancel = this.outside.later(() => void this.again(), LONGEST);
    } else if (this.socket === null) {
      this.start();
    }
  }

  /** A daemon that does not answer has not refused the session. */
  private async signedIn(): Promise<boolean> {
    try {
      return await this.outside.isSignedIn();
    } catch {
      return true;
    }
  }
}
