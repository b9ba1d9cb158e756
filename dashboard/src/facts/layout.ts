// The graph of dependencies in layers (after Sugiyama): what needs nothing comes first, everything else one
// layer after the last of what it needs. Long edges get a stand-in in each layer that they cross, so that they
// go around nodes. The order within layers is found by sweeps of barycentres, keeping the best; then each node
// is drawn towards the mean of its neighbours as far as the order allows. Services without ties stand in rows
// of their own at the end, after the last layer or beside all of them. `along` is the direction of layers,
// `across` that within one; the view decides which of them is x.

export interface Size {
  /** of a node, in the direction of layers and across it */
  along: number;
  across: number;
  gapAlong: number;
  gapAcross: number;
  /** how many services without ties fit into a row, and in which direction such a row lies */
  perRow: number;
  rowsLie: "along" | "across";
}
export interface Point {
  along: number;
  across: number;
}
export interface Placed extends Point {
  name: string;
  layer: number;
}
export interface Tie {
  from: string;
  to: string;
}
export interface Edge extends Tie {
  /** from the end of the dependency to the beginning of the dependent */
  points: Point[];
}
export interface Layout {
  nodes: Placed[];
  edges: Edge[];
  along: number;
  across: number;
}

interface Node {
  name: string | null;
  layer: number;
  before: Node[];
  after: Node[];
  across: number;
}

/** `ties` go from a dependency to what depends on it; those between unknown names do not count. */
export function layout(names: readonly string[], ties: readonly Tie[], size: Size): Layout {
  const known = new Set(names);
  const used = ties.filter((tie) => known.has(tie.from) && known.has(tie.to) && tie.from !== tie.to);
  const tied = new Set(used.flatMap((tie) => [tie.from, tie.to]));
  const layers = ranked(names.filter((name) => tied.has(name)), used);
  const { nodes, chains } = withStandIns(layers, used);
  const ordered = order(nodes);
  settle(ordered, size);
  return drawing(ordered, chains, names.filter((name) => !tied.has(name)), size);
}

/** How many layers there will be; 0 where nothing has ties. */
export function depth(names: readonly string[], ties: readonly Tie[]): number {
  const tied = new Set(ties.flatMap((tie) => [tie.from, tie.to]));
  return Math.max(0, ...[...ranked(names.filter((name) => tied.has(name)), ties).values()].map((layer) => layer + 1));
}

// Layers.

function ranked(names: readonly string[], ties: readonly Tie[]): Map<string, number> {
  const needs = grouped(ties, (tie) => tie.to, (tie) => tie.from);
  const layers = new Map<string, number>();
  const open = new Set<string>();
  const rank = (name: string): number => {
    const found = layers.get(name);
    if (found !== undefined) return found;
    open.add(name);
    // A circle cannot come from the daemon; it must not hang the page either.
    const below = (needs.get(name) ?? []).filter((other) => !open.has(other)).map(rank);
    open.delete(name);
    const layer = below.length ? Math.max(...below) + 1 : 0;
    layers.set(name, layer);
    return layer;
  };
  names.forEach(rank);
  return drawnIn(layers, needs, grouped(ties, (tie) => tie.from, (tie) => tie.to));
}

/** A service without dependencies goes right before its first dependent. */
function drawnIn(
  layers: Map<string, number>,
  needs: Map<string, string[]>,
  needed: Map<string, string[]>,
): Map<string, number> {
  for (const [name, layer] of layers) {
    const after = (needed.get(name) ?? []).map((other) => layers.get(other) ?? 0);
    if (!needs.has(name) && after.length) layers.set(name, Math.max(layer, Math.min(...after) - 1));
  }
  return layers;
}

function grouped(ties: readonly Tie[], by: (tie: Tie) => string, what: (tie: Tie) => string) {
  const found = new Map<string, string[]>();
  for (const tie of ties) found.set(by(tie), [...(found.get(by(tie)) ?? []), what(tie)]);
  return found;
}

function withStandIns(layers: Map<string, number>, ties: readonly Tie[]) {
  const nodes = new Map<string, Node>();
  for (const [name, layer] of layers) nodes.set(name, node(name, layer));
  const all = [...nodes.values()];
  const chains = ties.flatMap((tie) => {
    const [from, to] = [nodes.get(tie.from), nodes.get(tie.to)];
    if (!from || !to || from.layer >= to.layer) return [];
    const chain = [from];
    for (let layer = from.layer + 1; layer < to.layer; layer++) chain.push(node(null, layer));
    all.push(...chain.slice(1));
    chain.push(to);
    chain.slice(1).forEach((next, i) => connect(chain[i] as Node, next));
    return [{ tie, chain }];
  });
  return { nodes: all, chains };
}

function node(name: string | null, layer: number): Node {
  return { name, layer, before: [], after: [], across: 0 };
}

function connect(one: Node, next: Node): void {
  one.after.push(next);
  next.before.push(one);
}

// Order within layers.

const SWEEPS = 12;

function order(nodes: Node[]): Node[][] {
  const layers: Node[][] = [];
  for (const one of nodes) (layers[one.layer] ??= []).push(one);
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(best);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const forward = sweep % 2 === 0;
    for (const layer of forward ? layers.slice(1) : layers.slice(0, -1).reverse()) {
      sortBy(layer, positions(layers), forward ? (one) => one.before : (one) => one.after);
    }
    const now = crossings(layers);
    if (now < fewest) {
      best = layers.map((layer) => [...layer]);
      fewest = now;
    }
  }
  return best;
}

function positions(layers: Node[][]): Map<Node, number> {
  return new Map(layers.flatMap((layer) => layer.map((one, i): [Node, number] => [one, i])));
}

function sortBy(layer: Node[], at: Map<Node, number>, neighbours: (one: Node) => Node[]): void {
  const desired = new Map(layer.map((one) => [one, mean(neighbours(one).map((n) => at.get(n) ?? 0)) ?? at.get(one) ?? 0]));
  layer.sort((a, b) => (desired.get(a) ?? 0) - (desired.get(b) ?? 0) || (at.get(a) ?? 0) - (at.get(b) ?? 0));
}

function mean(values: number[]): number | null {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function crossings(layers: Node[][]): number {
  const at = positions(layers);
  return layers.slice(1).reduce((sum, layer) => sum + between(layer, at), 0);
}

/** Crossings between a layer and the one before: inversions, counted with a tree of sums. */
function between(layer: Node[], at: Map<Node, number>): number {
  const ends = layer.flatMap((one) => one.before.map((n) => at.get(n) ?? 0).sort((a, b) => a - b));
  const sums = new Array<number>(Math.max(...ends, 0) + 2).fill(0);
  let count = 0;
  ends.forEach((end, seen) => {
    let before = 0;
    for (let i = end + 1; i > 0; i -= i & -i) before += sums[i] ?? 0;
    count += seen - before;
    for (let i = end + 1; i < sums.length; i += i & -i) sums[i] = (sums[i] ?? 0) + 1;
  });
  return count;
}

// Places.

const ROUNDS = 8;

function settle(layers: Node[][], size: Size): void {
  for (const layer of layers) place(layer, layer.map((_, i) => i), size);
  for (let round = 0; round < ROUNDS; round++) {
    for (const layer of round % 2 ? [...layers].reverse() : layers) {
      const desired = layer.map((one) => mean([...one.before, ...one.after].map((n) => n.across)) ?? one.across);
      place(layer, desired, size);
    }
  }
  const first = Math.min(...layers.flat().map((one) => one.across - extent(one, size) / 2));
  for (const one of layers.flat()) one.across -= first;
}

function extent(one: Node, size: Size): number {
  return one.name === null ? size.gapAcross : size.across;
}

/** As near to the desired places as order and distances allow, by least squares: neighbours in conflict move as one. */
function place(layer: Node[], desired: number[], size: Size): void {
  const offsets: number[] = [];
  layer.forEach((one, i) => {
    const last = layer[i - 1];
    const apart = last ? (extent(last, size) + extent(one, size)) / 2 + size.gapAcross : 0;
    offsets.push((offsets[i - 1] ?? 0) + apart);
  });
  const blocks: { sum: number; count: number }[] = [];
  desired.forEach((place, i) => {
    let block = { sum: place - (offsets[i] ?? 0), count: 1 };
    for (let last = blocks.at(-1); last && last.sum / last.count > block.sum / block.count; last = blocks.at(-1)) {
      block = { sum: block.sum + last.sum, count: block.count + last.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  let i = 0;
  for (const block of blocks) {
    for (let n = 0; n < block.count; n++, i++) {
      (layer[i] as Node).across = block.sum / block.count + (offsets[i] ?? 0);
    }
  }
}

// What comes of it.

function drawing(
  layers: Node[][],
  chains: { tie: Tie; chain: Node[] }[],
  alone: string[],
  size: Size,
): Layout {
  const step = size.along + size.gapAlong;
  const nodes = layers.flat().flatMap((one): Placed[] =>
    one.name === null ? [] : [{ name: one.name, layer: one.layer, along: one.layer * step, across: one.across - size.across / 2 }],
  );
  const edges = chains.map(({ tie, chain }): Edge => ({ ...tie, points: line(chain, size) }));
  const across = Math.max(0, ...layers.flat().map((one) => one.across + extent(one, size) / 2));
  const whole = { nodes, edges, along: Math.max(layers.length * step - size.gapAlong, 0), across };
  return alone.length ? withAlone(whole, alone, size) : whole;
}

function line(chain: Node[], size: Size): Point[] {
  const step = size.along + size.gapAlong;
  return chain.flatMap((one, i): Point[] => {
    const [begin, end] = [one.layer * step, one.layer * step + size.along];
    if (i === 0) return [{ along: end, across: one.across }];
    if (i === chain.length - 1) return [{ along: begin, across: one.across }];
    return [{ along: begin, across: one.across }, { along: end, across: one.across }];
  });
}

/** Rows of those without ties: below the layers, whichever direction that is. */
function withAlone(whole: Layout, alone: string[], size: Size): Layout {
  const lying = size.rowsLie === "along";
  const step = { along: size.along + size.gapAlong, across: size.across + size.gapAcross };
  const perRow = Math.min(Math.max(size.perRow, 1), alone.length);
  const rows = Math.ceil(alone.length / perRow);
  const gap = whole.nodes.length ? 2 * size.gapAcross : 0;
  const start = (lying ? whole.across : whole.along) + gap;
  const placed = alone.map((name, i): Placed => {
    const [column, row] = [i % perRow, Math.floor(i / perRow)];
    if (lying) return { name, layer: column, along: column * step.along, across: start + row * step.across };
    return { name, layer: row, along: start + row * (size.along + size.gapAcross), across: column * step.across };
  });
  const long = perRow * (lying ? step.along : step.across) - (lying ? size.gapAlong : size.gapAcross);
  const deep = start + rows * ((lying ? size.across : size.along) + size.gapAcross) - size.gapAcross;
  return {
    nodes: [...whole.nodes, ...placed],
    edges: whole.edges,
    along: lying ? Math.max(whole.along, long) : deep,
    across: lying ? deep : Math.max(whole.across, long),
  };
}
