// What every view shares: the current facts, the link to the daemon, the route, the time, and the preferences.
// One object, made in `App`; the logic is in plain modules.

import { apply, key, NOTHING, projects, rowsOf, type Facts } from "../facts/facts";
import type { Message, Order, Row } from "../facts/wire";
import { notices, type Notice } from "../facts/notices";
import { href, parse, type Route } from "../facts/route";
import { api } from "./api";
import { Connection, type Link } from "./connection";
import { browser } from "./browser";
import { clock } from "./clock";
import { LogSession } from "./logs.svelte";
import { remember, remembered } from "./remembered";
import { ownVersion, reloadFor } from "./version";

export type Theme = "auto" | "light" | "dark";

export interface Shown extends Notice {
  id: number;
}

const DARK = matchMedia("(prefers-color-scheme: dark)");
const LINGER = 8_000;
const MOST = 4;

export class Page {
  facts = $state.raw<Facts>(NOTHING);
  link = $state.raw<Link>({ is: "opening" });
  route = $state.raw<Route>(parse(location.hash));
  notices = $state.raw<Shown[]>([]);
  /** epoch milliseconds on the daemon's clock; updated each second while the page is visible */
  now = $state(clock.now());
  theme = $state<Theme>(stored());
  private systemDark = $state(DARK.matches);
  /** what the title says until the page is visible again */
  news = $state.raw<Notice | null>(null);
  /** the daemon's version, when it is not this page's and reloading did not help */
  otherVersion = $state<string | null>(null);
  /** the theme in effect is dark */
  readonly dark = $derived(this.theme === "dark" || (this.theme === "auto" && this.systemDark));
  readonly logs: LogSession;
  readonly projects = $derived(projects(this.facts.rows.values(), this.facts.amiss));

  private readonly connection: Connection;
  private lastId = 0;

  constructor() {
    this.connection = new Connection(
      browser(),
      (message) => this.receive(message),
      (link) => this.linked(link),
    );
    this.logs = new LogSession((order: Order) => this.connection.order(order), api.earlier);
  }

  start(): void {
    addEventListener("hashchange", () => this.follow());
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("online", () => this.connection.hurry());
    DARK.addEventListener("change", () => (this.systemDark = DARK.matches));
    addEventListener("focus", () => (this.news = null));
    setInterval(() => document.hidden || (this.now = clock.now()), 1000);
    this.connection.order({ usage: !document.hidden });
    this.connection.start();
    this.dress();
  }

  rowsOf(project: string): Row[] {
    return this.projects.find((one) => one.name === project)?.rows ?? rowsOf(this.facts.rows.values(), project);
  }

  /** It is there at once: the browser tells of a new address only later, and keys may come before that. */
  go(route: Route): void {
    location.hash = href(route);
    this.follow();
  }

  private follow(): void {
    const route = parse(location.hash);
    if (href(route) !== href(this.route)) this.route = route;
  }

  retry(): void {
    this.connection.hurry();
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    remember("theme", theme);
    this.dress();
  }

  announce(notice: Notice): void {
    const shown = { ...notice, id: ++this.lastId };
    // Only the latest of each service.
    const others = this.notices.filter((one) => one.project !== notice.project || one.service !== notice.service);
    this.notices = [...others, shown].slice(-MOST);
    setTimeout(() => this.dismiss(shown.id), notice.tone === "good" ? LINGER : LINGER * 2);
  }

  /** A new notice replaces earlier ones of the service: unhealthy, then failed, is one event. */
  private outdate({ project, service }: Notice): void {
    this.notices = this.notices.filter((old) => old.project !== project || old.service !== service);
  }

  private dress(): void {
    if (this.theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = this.theme;
  }

  private receive(message: Message): void {
    if (message.now !== undefined) clock.hear(message.now);
    if (message.kind === "lines" || message.kind === "refused") {
      this.logs.receive(message);
      return;
    }
    const before = this.facts;
    this.facts = apply(before, message);
    if (message.kind === "snapshot") this.met(message.daemon.version);
    const bad = this.notices.filter((one) => one.tone === "bad" && one.service !== null);
    const told = new Set(bad.map((one) => key(one.project, one.service ?? "")));
    for (const notice of notices(before, this.facts, told)) {
      this.outdate(notice);
      this.announce(notice);
      if (document.hidden || !document.hasFocus()) this.news = notice;
    }
  }

  private met(version: string): void {
    const own = ownVersion();
    this.otherVersion = own && own !== version && !reloadFor(version) ? version : null;
  }

  private linked(link: Link): void {
    const again = this.link.is !== "opening" && link.is === "open";
    this.link = link;
    if (again) this.logs.again();
  }

  private seen(): void {
    this.connection.order({ usage: !document.hidden });
    if (document.hidden) return;
    this.now = clock.now();
    this.connection.hurry();
  }
}

function stored(): Theme {
  const theme = remembered("theme");
  return theme === "light" || theme === "dark" ? theme : "auto";
}
