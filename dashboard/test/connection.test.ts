import { describe, expect, it } from "vitest";
import { Connection, type Link, type Outside, type Socket } from "../src/state/connection";
import type { Message } from "../src/facts/wire";

class World implements Outside {
  sockets: (Socket & { sent: string[] })[] = [];
  timers: { run: () => void; ms: number }[] = [];
  signedIn = true;
  clock = 0;
  received: Message[] = [];
  links: Link[] = [];
  readonly connection = new Connection(
    this,
    (message) => this.received.push(message),
    (link) => this.links.push(link),
  );

  open(): Socket {
    const socket = { onopen: null, onmessage: null, onclose: null, sent: [] as string[], close: () => {}, send: (text: string) => void socket.sent.push(text) };
    this.sockets.push(socket);
    return socket;
  }
  isSignedIn(): Promise<boolean> {
    return Promise.resolve(this.signedIn);
  }
  later(run: () => void, ms: number): () => void {
    const timer = { run, ms };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((one) => one !== timer));
  }
  now(): number {
    return this.clock;
  }
  random(): number {
    return 0.5;
  }
  get socket(): Socket & { sent: string[] } {
    return this.sockets.at(-1) as Socket & { sent: string[] };
  }
  async tick(): Promise<number> {
    const timer = this.timers.shift();
    timer?.run();
    await Promise.resolve();
    await Promise.resolve();
    return timer?.ms ?? -1;
  }
}

describe("the connection", () => {
  it("tells what it hears, and asks for what was asked for", () => {
    const world = new World();
    world.connection.order({ usage: true });
    world.connection.start();
    world.socket.onopen?.();
    expect(world.socket.sent).toEqual(['{"usage":true}']);
    world.connection.order({ logs: null });
    expect(world.socket.sent.at(-1)).toBe('{"logs":null}');
    world.socket.onmessage?.({ data: '{"kind":"usage","services":[]}' });
    expect(world.received).toEqual([{ kind: "usage", services: [] }]);
    expect(world.links).toEqual([{ is: "open" }]);
  });

  it("comes back by itself, ever more patiently, and asks again for the latest of each kind", async () => {
    const world = new World();
    world.connection.order({ usage: true });
    world.connection.start();
    world.socket.onopen?.();
    world.connection.order({ usage: false });
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      world.socket.onclose?.();
      waits.push(await world.tick());
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]);
    world.socket.onopen?.();
    expect(world.socket.sent).toEqual(['{"usage":false}']);
    expect(world.links.at(-1)).toEqual({ is: "open" });
  });

  it("says since when it is lost, not since the last attempt", async () => {
    const world = new World();
    world.connection.start();
    world.socket.onopen?.();
    world.clock = 1_000;
    world.socket.onclose?.();
    world.clock = 2_000;
    await world.tick();
    world.socket.onclose?.();
    expect(world.links.at(-1)).toMatchObject({ is: "lost", since: 1_000 });
  });

  it("tells being signed out from having no daemon, and notices a new sign-in", async () => {
    const world = new World();
    world.signedIn = false;
    world.connection.start();
    world.socket.onclose?.();
    await world.tick();
    world.socket.onclose?.();
    await world.tick();
    expect(world.links.at(-1)).toEqual({ is: "signed-out" });
    const before = world.sockets.length;
    world.signedIn = true;
    await world.tick();
    expect(world.sockets.length).toBe(before + 1);
  });

  it("hurries when the page is seen again, and only then when it waits", () => {
    const world = new World();
    world.connection.start();
    world.connection.hurry();
    expect(world.sockets.length).toBe(1);
    world.socket.onclose?.();
    world.connection.hurry();
    expect(world.sockets.length).toBe(2);
    expect(world.timers.length).toBe(0);
  });

  it("hears nothing more of a socket that was replaced", () => {
    const world = new World();
    world.connection.start();
    const old = world.socket;
    world.socket.onclose?.();
    world.connection.hurry();
    old.onmessage?.({ data: '{"kind":"usage","services":[]}' });
    old.onclose?.();
    expect(world.received).toEqual([]);
    expect(world.timers.length).toBe(0);
  });
});
