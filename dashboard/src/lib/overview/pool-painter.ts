/**
 * Paints the pool picture on two canvases: the cells, each redrawn only on change, and above them the moving marks of
 * running tasks, redrawn every frame.
 */
import type { CellProblem, CellState } from './cell-state.js';
import type { CellForm, PoolLayout } from './pool-layout.js';

export interface Palette {
  /** By tier, 0 for none. */
  readonly tiers: readonly string[];
  readonly text: string;
  readonly faint: string;
  readonly line: string;
  readonly warn: string;
  readonly bad: string;
  readonly accent: string;
  readonly font: string;
}

/** Time of one pass of a mark through its cell, ms. */
const PASS_MS = 1_800;
/** Marks in one cell at most; more could not be distinguished. */
const MAX_MARKS = 3;
const BACKGROUND_ALPHA = 0.15;
const FILL_ALPHA = 0.5;

/** A cell with running tasks. */
export interface Moving {
  readonly index: number;
  readonly tier: number;
  readonly running: number;
}

export class PoolPainter {
  readonly #cells: CanvasRenderingContext2D;
  readonly #motion: CanvasRenderingContext2D;
  #palette: Palette;
  #moved = false;

  constructor(cells: HTMLCanvasElement, motion: HTMLCanvasElement, palette: Palette) {
    this.#cells = contextOf(cells);
    this.#motion = contextOf(motion);
    this.#palette = palette;
  }

  set palette(palette: Palette) {
    this.#palette = palette;
  }

  /** Resizes the canvases, which clears them: everything must be redrawn. @param scale device pixels per px */
  resize({ width, height }: PoolLayout, scale: number): void {
    for (const { canvas } of [this.#cells, this.#motion]) {
      canvas.width = Math.max(1, Math.round(width * scale));
      canvas.height = Math.max(1, Math.round((height + 2) * scale));
    }
    this.#cells.setTransform(scale, 0, 0, scale, 0, 0);
    this.#motion.setTransform(scale, 0, 0, scale, 0, 0);
    this.#moved = false;
  }

  cell(layout: PoolLayout, index: number, cell: CellState): void {
    const context = this.#cells;
    const { form } = layout;
    const { width, height } = form;
    const x = layout.x[index]!;
    const y = layout.y[index]!;
    context.clearRect(x - 0.5, y - 0.5, width + 1, height + 1);
    const color = this.#palette.tiers[cell.tier] ?? this.#palette.faint;
    const isOffline = cell.problem === 'offline' || cell.problem === 'away';
    if (!isOffline) {
      context.fillStyle = color;
      context.globalAlpha = BACKGROUND_ALPHA;
      box(context, x, y, width, height, radiusOf(form));
      context.globalAlpha = FILL_ALPHA;
      // Named cells are wide: they fill from the left, small ones from below.
      if (form.named) box(context, x, y, width * cell.load, height, radiusOf(form));
      else if (cell.load > 0) box(context, x, y + height * (1 - cell.load), width, height * cell.load, radiusOf(form));
      context.globalAlpha = 1;
    }
    if (cell.problem) this.#problem(form, x, y, cell.problem);
    if (form.named) this.#name(form, x, y, cell);
  }

  /** @returns whether anything moves, and so has to be drawn again */
  frame(layout: PoolLayout, moving: readonly Moving[], atMs: number): boolean {
    const context = this.#motion;
    if (this.#moved) context.clearRect(0, 0, layout.width, layout.height + 2);
    this.#moved = moving.length > 0;
    const { form } = layout;
    const length = Math.max(2, Math.round(form.width * 0.22));
    const thickness = form.height >= 20 ? 2 : 1.5;
    let tier = -1;
    for (const { index, tier: its, running } of moving) {
      if (its !== tier) {
        tier = its;
        context.fillStyle = this.#palette.tiers[tier] ?? this.#palette.faint;
      }
      const marks = Math.min(running, MAX_MARKS);
      const y = layout.y[index]! + form.height - thickness - (form.height >= 20 ? 2 : 0);
      const x = layout.x[index]!;
      for (let mark = 0; mark < marks; mark++) {
        const phase = (atMs / PASS_MS + index * 0.618 + mark / marks) % 1;
        context.fillRect(x + phase * (form.width - length), y, length, thickness);
      }
    }
    return this.#moved;
  }

  /** Draws static marks, for `prefers-reduced-motion`. */
  still(layout: PoolLayout, moving: readonly Moving[]): void {
    this.frame(layout, moving, 0);
  }

  /** CellProblem has a shape each, so that colour is not the only difference. */
  #problem({ width, height, named }: CellForm, x: number, y: number, problem: CellProblem): void {
    const context = this.#cells;
    const { bad, warn, faint } = this.#palette;
    context.lineWidth = height >= 16 ? 1.5 : 1;
    context.strokeStyle = problem === 'unhealthy' || problem === 'hot' ? bad : problem === 'offline' ? faint : warn;
    context.fillStyle = context.strokeStyle;
    context.setLineDash(problem === 'away' ? [3, 2] : []);
    context.strokeRect(x + 0.75, y + 0.75, width - 1.5, height - 1.5);
    context.setLineDash([]);
    // The mark is in the middle of a small cell, and at the right of one with a name.
    const size = Math.max(2, Math.min(5, height / 4));
    const cx = named ? x + width - 12 : x + width / 2;
    const cy = named ? y + height / 2 : y + height / 2;
    context.beginPath();
    if (problem === 'unhealthy') {
      context.moveTo(cx - size, cy - size);
      context.lineTo(cx + size, cy + size);
      context.moveTo(cx + size, cy - size);
      context.lineTo(cx - size, cy + size);
      context.stroke();
    } else if (problem === 'hot') {
      context.moveTo(cx, cy - size);
      context.lineTo(cx + size, cy + size * 0.8);
      context.lineTo(cx - size, cy + size * 0.8);
      context.fill();
    } else if (problem === 'draining') {
      context.moveTo(cx - size, cy - size * 0.6);
      context.lineTo(cx + size, cy - size * 0.6);
      context.lineTo(cx, cy + size);
      context.fill();
    } else if (problem === 'offline') {
      context.moveTo(cx - size, cy);
      context.lineTo(cx + size, cy);
      context.stroke();
    }
  }

  #name({ width, height }: CellForm, x: number, y: number, { name, problem }: CellState): void {
    const context = this.#cells;
    context.font = `500 ${height > 40 ? 13 : 12}px ${this.#palette.font}`;
    context.textBaseline = 'middle';
    context.fillStyle = problem === 'offline' ? this.#palette.faint : this.#palette.text;
    context.fillText(fitted(context, name, width - (problem ? 32 : 18)), x + 9, y + height / 2 - 1);
  }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser does not support canvas');
  return context;
}

const radiusOf = ({ height }: CellForm): number => (height >= 30 ? 5 : height >= 16 ? 3 : 0);

function box(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, radius: number) {
  if (width <= 0 || height <= 0) return;
  if (radius === 0) {
    context.fillRect(x, y, width, height);
    return;
  }
  context.beginPath();
  context.roundRect(x, y, width, height, Math.min(radius, width / 2, height / 2));
  context.fill();
}

/** The text, shortened to the width. */
function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join('')}…`).width > width) {
    characters = characters.slice(0, -1);
  }
  return `${characters.join('')}…`;
}
