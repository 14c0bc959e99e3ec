/**
 * Paints the picture of the pool on two canvases: the cells, each only when it looks other than before, and above them
 * what moves, which is drawn anew with every frame. Knows nothing of workers but their looks.
 */
import type { CellLook, Trouble } from './cell-look.js';
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

/** How long a task's mark takes through a cell, ms. */
const PASS_MS = 1_800;
/** Marks in one cell; more cannot be told apart. */
const MAX_MARKS = 3;
const BACKGROUND_ALPHA = 0.15;
const FILL_ALPHA = 0.5;

/** Marks of tasks in motion: which cells they are in, and how many. */
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

  /** Makes room for a layout, in the screen's own pixels; everything has to be drawn after it. */
  resize({ width, height }: PoolLayout, scale: number): void {
    for (const { canvas } of [this.#cells, this.#motion]) {
      canvas.width = Math.max(1, Math.round(width * scale));
      canvas.height = Math.max(1, Math.round((height + 2) * scale));
    }
    this.#cells.setTransform(scale, 0, 0, scale, 0, 0);
    this.#motion.setTransform(scale, 0, 0, scale, 0, 0);
    this.#moved = false;
  }

  cell(layout: PoolLayout, index: number, look: CellLook): void {
    const context = this.#cells;
    const { form } = layout;
    const { width, height } = form;
    const x = layout.x[index]!;
    const y = layout.y[index]!;
    context.clearRect(x - 0.5, y - 0.5, width + 1, height + 1);
    const color = this.#palette.tiers[look.tier] ?? this.#palette.faint;
    const isGone = look.trouble === 'offline' || look.trouble === 'away';
    if (!isGone) {
      context.fillStyle = color;
      context.globalAlpha = BACKGROUND_ALPHA;
      box(context, x, y, width, height, radiusOf(form));
      context.globalAlpha = FILL_ALPHA;
      // Named cells are wide: they fill from the left, small ones from below.
      if (form.named) box(context, x, y, width * look.load, height, radiusOf(form));
      else if (look.load > 0) box(context, x, y + height * (1 - look.load), width, height * look.load, radiusOf(form));
      context.globalAlpha = 1;
    }
    if (look.trouble) this.#trouble(form, x, y, look.trouble);
    if (form.named) this.#name(form, x, y, look);
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

  /** What tasks look like to who wants no motion: a mark that stands. */
  still(layout: PoolLayout, moving: readonly Moving[]): void {
    this.frame(layout, moving, 0);
  }

  /** Trouble has a shape each, so that nobody depends on its colour. */
  #trouble({ width, height, named }: CellForm, x: number, y: number, trouble: Trouble): void {
    const context = this.#cells;
    const { bad, warn, faint } = this.#palette;
    context.lineWidth = height >= 16 ? 1.5 : 1;
    context.strokeStyle = trouble === 'unhealthy' || trouble === 'hot' ? bad : trouble === 'offline' ? faint : warn;
    context.fillStyle = context.strokeStyle;
    context.setLineDash(trouble === 'away' ? [3, 2] : []);
    context.strokeRect(x + 0.75, y + 0.75, width - 1.5, height - 1.5);
    context.setLineDash([]);
    // The mark is in the middle of a small cell, and at the right of one with a name.
    const size = Math.max(2, Math.min(5, height / 4));
    const cx = named ? x + width - 12 : x + width / 2;
    const cy = named ? y + height / 2 : y + height / 2;
    context.beginPath();
    if (trouble === 'unhealthy') {
      context.moveTo(cx - size, cy - size);
      context.lineTo(cx + size, cy + size);
      context.moveTo(cx + size, cy - size);
      context.lineTo(cx - size, cy + size);
      context.stroke();
    } else if (trouble === 'hot') {
      context.moveTo(cx, cy - size);
      context.lineTo(cx + size, cy + size * 0.8);
      context.lineTo(cx - size, cy + size * 0.8);
      context.fill();
    } else if (trouble === 'draining') {
      context.moveTo(cx - size, cy - size * 0.6);
      context.lineTo(cx + size, cy - size * 0.6);
      context.lineTo(cx, cy + size);
      context.fill();
    } else if (trouble === 'offline') {
      context.moveTo(cx - size, cy);
      context.lineTo(cx + size, cy);
      context.stroke();
    }
  }

  #name({ width, height }: CellForm, x: number, y: number, { name, trouble }: CellLook): void {
    const context = this.#cells;
    context.font = `500 ${height > 40 ? 13 : 12}px ${this.#palette.font}`;
    context.textBaseline = 'middle';
    context.fillStyle = trouble === 'offline' ? this.#palette.faint : this.#palette.text;
    context.fillText(fitted(context, name, width - (trouble ? 32 : 18)), x + 9, y + height / 2 - 1);
  }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws no canvases');
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

/** As much of a text as has room. */
function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join('')}…`).width > width) {
    characters = characters.slice(0, -1);
  }
  return `${characters.join('')}…`;
}
