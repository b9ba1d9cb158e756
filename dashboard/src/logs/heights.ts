// How high each line is when lines wrap, as a tree of sums (Fenwick), so that "what is at this offset" and
// "where does this line begin" take a few steps also with 100,000 lines whose heights become known only when
// they are drawn. Until then a height is guessed from the length of the text.

export class Heights {
  private readonly sums: number[] = [0];
  private readonly values: number[] = [];

  get count(): number {
    return this.values.length;
  }

  get total(): number {
    return this.before(this.values.length);
  }

  push(height: number): void {
    this.values.push(height);
    const index = this.values.length;
    let sum = height;
    for (let child = index - 1; child > index - (index & -index); child -= child & -child) {
      sum += this.sums[child] ?? 0;
    }
    this.sums.push(sum);
  }

  get(index: number): number {
    return this.values[index] ?? 0;
  }

  set(index: number, height: number): void {
    const change = height - (this.values[index] ?? 0);
    if (!change) return;
    this.values[index] = height;
    for (let i = index + 1; i < this.sums.length; i += i & -i) this.sums[i] = (this.sums[i] ?? 0) + change;
  }

  /** The offset at which line `index` begins. */
  before(index: number): number {
    let sum = 0;
    for (let i = Math.min(index, this.values.length); i > 0; i -= i & -i) sum += this.sums[i] ?? 0;
    return sum;
  }

  /** The line that is at this offset; the last one beyond the end. */
  at(offset: number): number {
    let index = 0;
    let rest = offset;
    for (let step = 1 << Math.floor(Math.log2(Math.max(this.values.length, 1))); step > 0; step >>= 1) {
      const sum = this.sums[index + step];
      if (index + step <= this.values.length && sum !== undefined && sum <= rest) {
        index += step;
        rest -= sum;
      }
    }
    return Math.min(index, Math.max(this.values.length - 1, 0));
  }
}
