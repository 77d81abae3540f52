/**
 * Where the codes of a large namespace are: those of a partition together, so that a search reads them in one go.
 *
 * Reading codes that lie scattered takes about as long as reading all of them in order. So when the table is laid out, the
 * codes of each partition get consecutive positions; later ones get pages of a few positions, until the next layout.
 * Leaves out the codes (`code-table.ts`) and the layout (`code-layout.ts`).
 */
import { IntegerList } from "../columns.js";
import type { Partitions } from "./partitions.js";

/** Positions in a page. */
export const PAGE_POSITIONS = 16;

export class CodeGroup {
  /** First position and number of codes of each partition when it was laid out. */
  readonly first: Int32Array;
  readonly laid: Int32Array;
  /** First positions of the pages of each partition, and codes in them. */
  readonly pages: (IntegerList | undefined)[];
  readonly paged: Int32Array;
  /** How far a search looks: partitions up to this gap, per distance of its last result. */
  reach = Number.POSITIVE_INFINITY;
  size: number;

  /**
   * @param from first position of the group
   * @param laid number of codes of each partition
   */
  constructor(
    readonly partitions: Partitions,
    from: number,
    laid: Int32Array,
  ) {
    this.laid = laid;
    this.first = new Int32Array(laid.length);
    let at = from;
    for (let i = 0; i < laid.length; i++) {
      this.first[i] = at;
      at += laid[i] as number;
    }
    this.size = at - from;
    this.pages = Array.from({ length: laid.length });
    this.paged = new Int32Array(laid.length);
  }

  /** How many codes it had when it was laid out. */
  get laidOut(): number {
    return this.laid.reduce((sum, count) => sum + count, 0);
  }

  /** A position for another code of a partition; `page` makes a page and returns its first position. */
  place(partition: number, page: () => number): number {
    this.pages[partition] ??= new IntegerList();
    const pages = this.pages[partition] as IntegerList;
    const within = (this.paged[partition] as number) % PAGE_POSITIONS;
    if (within === 0) pages.push(page());
    this.paged[partition] = (this.paged[partition] as number) + 1;
    this.size++;
    return (pages.view()[pages.length - 1] as number) + within;
  }

  /** Passes each run of consecutive positions of a partition to `take`. */
  eachRun(partition: number, take: (first: number, count: number) => void): void {
    const laid = this.laid[partition] as number;
    if (laid > 0) take(this.first[partition] as number, laid);
    const pages = this.pages[partition];
    if (!pages) return;
    let left = this.paged[partition] as number;
    for (const first of pages.view()) {
      take(first, Math.min(left, PAGE_POSITIONS));
      left -= PAGE_POSITIONS;
    }
  }

  /** Number of codes of a partition. */
  countOf(partition: number): number {
    return (this.laid[partition] as number) + (this.paged[partition] as number);
  }

  bytes(): number {
    const pages = this.pages.reduce((sum, own) => sum + (own?.length ?? 0) * 4, 0);
    return this.partitions.bytes() + this.laid.length * 12 + pages;
  }
}
