/**
 * Partial uploads: which there are, whose, and how much room they take or were promised. A part is a file named by its
 * uploader and what it uploads, so that a resumed upload finds it, and a start finds whose quota it counts against.
 */
import { createHash } from 'node:crypto';

export interface Part {
  readonly name: string;
  /** As it stands in the file's name. */
  readonly uploader: string;
  /** On disk; of an open one, what it was announced to become. */
  readonly bytes: number;
  /** Since when nobody writes to it, ms since 1970. */
  readonly atMs: number;
  /** Of an open one: bytes that will be written yet. */
  expected: number;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
const uploaderDigest = (uploader: string): string => digest(uploader).slice(0, 16);
/** Those of earlier versions name no uploader. */
const NAME = /^(?:([0-9a-f]{16})-)?[0-9a-f]{64}\.part$/;

export function partName(uploader: string, owner: string, blob: string): string {
  return `${uploaderDigest(uploader)}-${digest(`${owner} ${blob}`)}.part`;
}

export class Parts {
  readonly #open = new Map<string, Part>();
  /** Those that may be resumed, about in the order of `atMs`. */
  readonly #idle = new Map<string, Part>();
  /** By uploader, open and idle together. */
  readonly #usage = new Map<string, { parts: number; bytes: number }>();
  #expected = 0;

  /** Bytes that open uploads were admitted for, and that are not on disk yet. */
  get expectedBytes(): number {
    return this.#expected;
  }

  isOpen(name: string): boolean {
    return this.#open.has(name);
  }

  usageOf(uploader: string): { readonly parts: number; readonly bytes: number } {
    return this.#usage.get(uploaderDigest(uploader)) ?? { parts: 0, bytes: 0 };
  }

  /** It is written to from now on, until it has `size` bytes. */
  open(name: string, uploader: string, size: number): Part {
    const held = Math.min(this.#idle.get(name)?.bytes ?? 0, size);
    this.remove(name);
    const part = { name, uploader: uploaderDigest(uploader), bytes: size, atMs: 0, expected: 0 };
    this.#open.set(name, part);
    this.#count(part, 1);
    this.expect(part, size - held);
    return part;
  }

  /** So many bytes are still to be written to an open one. */
  expect(part: Part, bytes: number): void {
    if (this.#open.get(part.name) !== part) return;
    this.#expected += bytes - part.expected;
    part.expected = bytes;
  }

  /** Nobody writes to it any more: it is kept, to be resumed. */
  close(part: Part, wallMs: number): void {
    if (this.#open.get(part.name) !== part) return;
    const { name, uploader, bytes, expected } = part;
    this.remove(name);
    if (bytes > expected) this.#keep({ name, uploader, bytes: bytes - expected, atMs: wallMs, expected: 0 });
  }

  /** A file that was there at the start. False for one that is none of ours, or too old to be kept. */
  found(name: string, bytes: number, atMs: number, oldestMs: number): boolean {
    const match = NAME.exec(name);
    if (!match || atMs < oldestMs) return this.isOpen(name);
    if (!this.isOpen(name) && !this.#idle.has(name))
      this.#keep({ name, uploader: match[1] ?? '', bytes, atMs, expected: 0 });
    return true;
  }

  /** The file is gone, or is a blob now. */
  remove(name: string): void {
    const open = this.#open.get(name);
    if (open) this.expect(open, 0);
    const part = open ?? this.#idle.get(name);
    if (!part) return;
    this.#open.delete(name);
    this.#idle.delete(name);
    this.#count(part, -1);
  }

  /** Idle ones since before `oldestMs`, at most `limit`: they can't be resumed until they were removed. */
  takeOld(oldestMs: number, limit: number): string[] {
    const old: string[] = [];
    for (const part of this.#idle.values()) {
      if (part.atMs >= oldestMs || old.length >= limit) break;
      old.push(part.name);
      this.#idle.delete(part.name);
      this.#open.set(part.name, part);
    }
    return old;
  }

  #keep(part: Part): void {
    this.#idle.set(part.name, part);
    this.#count(part, 1);
  }

  #count({ uploader, bytes }: Part, sign: 1 | -1): void {
    const usage = this.#usage.get(uploader) ?? { parts: 0, bytes: 0 };
    usage.parts += sign;
    usage.bytes += sign * bytes;
    if (usage.parts === 0) this.#usage.delete(uploader);
    else this.#usage.set(uploader, usage);
  }
}
