// Rows for tests: a service that runs well, but for what is said.

import type { Row } from "../src/facts/wire";

export function row(name: string, but: Partial<Row> = {}): Row {
  return {
    name,
    project: "shop",
    directory: "/code/shop",
    type: "exec",
    state: "running",
    health: "healthy",
    source: "tcp",
    check: null,
    fallback: true,
    because: "pid 1 (node) accepts connections on 127.0.0.1:24000",
    since: "2026-01-01T00:00:00.000Z",
    waiting_on: [],
    depends_on: {},
    pid: 1,
    container: null,
    port: 24000,
    url: "http://127.0.0.1:24000/",
    run: 1,
    restarts: 0,
    exit_code: null,
    started_at: "2026-01-01T00:00:00.000Z",
    ready_at: "2026-01-01T00:00:01.000Z",
    ...but,
  };
}
