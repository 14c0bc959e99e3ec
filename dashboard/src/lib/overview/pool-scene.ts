/**
 * Keeps the pool picture up to date: draws only the cells that changed, and animates while a task runs, the picture is
 * visible and the user did not ask for reduced motion. The component around it owns the canvases and the pointer.
 */
import type { LiveWorkers, WorkerRow } from '@rma/client';
import { type CellState, cellStateOf, needsRedraw } from './cell-state.js';
import { groupsOf, layoutPool, type PoolLayout } from './pool-layout.js';
import type { Moving, Palette, PoolPainter } from './pool-painter.js';

/** Frames per second; fewer for many marks, to save CPU. */
const FRAMES_OF_FEW = 30;
const FRAMES_OF_MANY = 15;
const MANY = 300;

export interface SceneOptions {
  readonly painter: PoolPainter;
  readonly isStill: boolean;
  /** Called with a new layout. */
  readonly onLayout: (layout: PoolLayout) => void;
}

export class PoolScene {
  readonly #options: SceneOptions;
  #layout: PoolLayout = layoutPool([], 1, 1);
  #cells = new Map<string, CellState>();
  #workers: LiveWorkers | undefined;
  #moving: Moving[] = [];
  #width = 0;
  #height = 0;
  #scale = 1;
  #isVisible = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  /** Takes a new value of the live list and redraws the cells that changed. */
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
      // A worker joined, was removed, or changed its tier: the layout changes.
      this.#arrange();
      return;
    }
    for (const id of changed) this.#draw(id, rows.get(id)!, loads.get(id));
    this.#move();
  }

  /** The available space, px. */
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

  /** Whether the picture is on screen; if not, the animation stops. */
  set isVisible(isVisible: boolean) {
    this.#isVisible = isVisible;
    this.#move();
  }

  /** Whether a next frame is scheduled. */
  get isMoving(): boolean {
    return this.#timer !== undefined || this.#frame !== 0;
  }

  stop(): void {
    this.#isVisible = false;
    this.#rest();
  }

  #isPlaced({ id, tier, state }: WorkerRow): boolean {
    if (state === 'revoked') return !this.#layout.indexOf.has(id);
    return this.#layout.indexOf.has(id) && this.#cells.get(id)?.tier === (tier ?? 0);
  }

  #arrange(): void {
    if (!this.#workers || this.#width === 0) return;
    const { rows, loads } = this.#workers;
    this.#layout = layoutPool(groupsOf(rows.values()), this.#width, this.#height);
    this.#cells = new Map();
    for (const id of this.#layout.ids) this.#cells.set(id, cellStateOf(rows.get(id)!, loads.get(id)));
    this.#options.painter.resize(this.#layout, this.#scale);
    this.#options.onLayout(this.#layout);
    this.#drawAll();
  }

  #drawAll(): void {
    const { ids } = this.#layout;
    for (let i = 0; i < ids.length; i++) this.#options.painter.cell(this.#layout, i, this.#cells.get(ids[i]!)!);
    this.#move();
  }

  #draw(id: string, row: WorkerRow, load: Parameters<typeof cellStateOf>[1]): void {
    const index = this.#layout.indexOf.get(id);
    if (index === undefined) return;
    const next = cellStateOf(row, load);
    const isStale = needsRedraw(this.#cells.get(id), next);
    this.#cells.set(id, next);
    if (isStale) this.#options.painter.cell(this.#layout, index, next);
  }

  /** Collects the running tasks, and starts or stops the animation. */
  #move(): void {
    const moving: Moving[] = [];
    const { ids } = this.#layout;
    for (let index = 0; index < ids.length; index++) {
      const { running, tier } = this.#cells.get(ids[index]!)!;
      if (running > 0) moving.push({ index, tier, running });
    }
    const wasStill = this.#moving.length === 0;
    this.#moving = moving;
    if (wasStill && moving.length === 0) return;
    if (this.#options.isStill) {
      this.#options.painter.still(this.#layout, moving);
      return;
    }
    if (!this.#isVisible) this.#rest();
    else if (!this.isMoving) this.#next();
  }

  #next(): void {
    const frames = this.#moving.length > MANY ? FRAMES_OF_MANY : FRAMES_OF_FEW;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#frame = requestAnimationFrame((atMs) => {
        this.#frame = 0;
        const goesOn = this.#options.painter.frame(this.#layout, this.#moving, atMs);
        if (goesOn && this.#isVisible) this.#next();
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
