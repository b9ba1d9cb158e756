// The parts of a browser that the connection uses.

import { clock } from "./clock";
import type { Outside, Socket } from "./connection";

export function browser(): Outside {
  return {
    open: () => new WebSocket(new URL("/v1/live", location.href.replace(/^http/, "ws"))) as unknown as Socket,
    isSignedIn: async () => ![401, 403].includes((await fetch("/v1/ping", { cache: "no-store" })).status),
    later: (run, ms) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    now: () => clock.now(),
    random: () => Math.random(),
  };
}
