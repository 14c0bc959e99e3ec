/**
 * The picture of the pool as it lives: takes what changed, draws only that, and lets tasks move as long as any runs,
 * the picture is seen, and nobody asked for less motion. The component around it brings canvases and pointers.
 */
import type { LiveWorkers, WorkerRow } from '@rma/client';
import { type CellLook, lookOf, looksOther } from './cell-look.js';
import { groupsOf, layoutPool, type PoolLayout } from './pool-layout.js';
import type { Moving, Palette, PoolPainter } from './pool-painter.js';

/** Frames a second: the eye follows few marks more closely than many. */
const FRAMES_OF_FEW = 30;
const FRAMES_OF_MANY = 15;
const MANY = 300;

export interface SceneOptions {
  readonly painter: PoolPainter;
  readonly isStill: boolean;
  /** The layout is another one. */
  readonly onLayout: (layout: PoolLayout) => void;
}

export class PoolScene {
  readonly #options: SceneOptions;
  #layout: PoolLayout = layoutPool([], 1, 1);
  #looks = new Map<string, CellLook>();
  #workers: LiveWorkers | undefined;
  #moving: Moving[] = [];
  #width = 0;
  #height = 0;
  #scale = 1;
  #isSeen = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  /** A new value of the live list: draws the cells that look other than before. */
  update(workers: LiveWorkers): void {
    const { changed, rows, loads } = workers;
    const isNew = this.#workers?.rows !== rows || changed === undefined;
    this.#workers = workers;
    if (isNew) {
      this.#arrange();
      return;
    }
    for (const id of changed) {
      const row = rows.get(id);
      if (row && this.#isPlaced(row)) continue;
      // Somebody came, left for good, or is in another tier.
      this.#arrange();
      return;
    }
    for (const id of changed) this.#draw(id, rows.get(id)!, loads.get(id));
    this.#move();
  }

  /** The room there is, px. */
  resize(width: number, height: number, scale: number): void {
    if (width === this.#width && height === this.#height && scale === this.#scale) return;
    this.#width = width;
    this.#height = height;
    this.#scale = scale;
    this.#arrange();
  }

  recolour(palette: Palette): void {
    this.#options.painter.palette = palette;
    this.#drawAll();
  }

  /** Whether the picture is on the screen: what nobody sees does not move. */
  set isSeen(isSeen: boolean) {
    this.#isSeen = isSeen;
    this.#move();
  }

  /** Whether a next frame is due: for tests. */
  get isMoving(): boolean {
    return this.#timer !== undefined || this.#frame !== 0;
  }

  stop(): void {
    this.#isSeen = false;
    this.#rest();
  }

  #isPlaced({ id, tier, state }: WorkerRow): boolean {
    if (state === 'revoked') return !this.#layout.indexOf.has(id);
    return this.#layout.indexOf.has(id) && this.#looks.get(id)?.tier === (tier ?? 0);
  }

  #arrange(): void {
    if (!this.#workers || this.#width === 0) return;
    const { rows, loads } = this.#workers;
    this.#layout = layoutPool(groupsOf(rows.values()), this.#width, this.#height);
    this.#looks = new Map();
    for (const id of this.#layout.ids) this.#looks.set(id, lookOf(rows.get(id)!, loads.get(id)));
    this.#options.painter.resize(this.#layout, this.#scale);
    this.#options.onLayout(this.#layout);
    this.#drawAll();
  }

  #drawAll(): void {
    const { ids } = this.#layout;
    for (let i = 0; i < ids.length; i++) this.#options.painter.cell(this.#layout, i, this.#looks.get(ids[i]!)!);
    this.#move();
  }

  #draw(id: string, row: WorkerRow, load: Parameters<typeof lookOf>[1]): void {
    const index = this.#layout.indexOf.get(id);
    if (index === undefined) return;
    const look = lookOf(row, load);
    const isOther = looksOther(this.#looks.get(id), look);
    this.#looks.set(id, look);
    if (isOther) this.#options.painter.cell(this.#layout, index, look);
  }

  /** Finds what runs now, and goes on or rests. */
  #move(): void {
    const moving: Moving[] = [];
    const { ids } = this.#layout;
    for (let index = 0; index < ids.length; index++) {
      const { running, tier } = this.#looks.get(ids[index]!)!;
      if (running > 0) moving.push({ index, tier, running });
    }
    const wasStill = this.#moving.length === 0;
    this.#moving = moving;
    if (wasStill && moving.length === 0) return;
    if (this.#options.isStill) {
      this.#options.painter.still(this.#layout, moving);
      return;
    }
    if (!this.#isSeen) this.#rest();
    else if (!this.isMoving) this.#next();
  }

  #next(): void {
    const frames = this.#moving.length > MANY ? FRAMES_OF_MANY : FRAMES_OF_FEW;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#frame = requestAnimationFrame((atMs) => {
        this.#frame = 0;
        const goesOn = this.#options.painter.frame(this.#layout, this.#moving, atMs);
        if (goesOn && this.#isSeen) this.#next();
      });
    }, 1_000 / frames);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#timer = undefined;
    this.#frame = 0;
  }
}
