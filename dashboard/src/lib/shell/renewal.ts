/**
 * Reloads an outdated page once it is idle: no key or pointer for a while, no dialog open, no typed text that would be
 * lost. Search fields may have text: it is in the URL.
 */
const IDLE_MS = 5_000;
const CHECK_MS = 1_000;

type Typed = HTMLInputElement | HTMLTextAreaElement;
/** Fields that the user typed into; text set by the page itself is not lost in a reload. */
const typed = new Set<Typed>();

/** Records typed fields. @returns stops */
export function watchTyping(): () => void {
  const onInput = ({ target }: Event) => {
    forgetRemoved();
    if (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) typed.add(target);
  };
  addEventListener('input', onInput, { capture: true, passive: true });
  return () => {
    removeEventListener('input', onInput, { capture: true });
    typed.clear();
  };
}

/** @returns cancels */
export function reloadWhenIdle(): () => void {
  let usedAt = performance.now();
  const onUse = () => {
    usedAt = performance.now();
  };
  const events = ['keydown', 'pointerdown', 'pointermove', 'wheel'] as const;
  for (const event of events) addEventListener(event, onUse, { passive: true });
  const timer = setInterval(() => {
    const isIdle = document.hidden || performance.now() - usedAt > IDLE_MS;
    if (isIdle && !isBusy()) location.reload();
  }, CHECK_MS);
  return () => {
    clearInterval(timer);
    for (const event of events) removeEventListener(event, onUse);
  };
}

const KEY = 'rma.reloadedAt';
/** No second reload within this time: reloading does not help then. */
const AGAIN_MS = 10_000;

/**
 * If a chunk of the app cannot be loaded, because the coordinator was just replaced or restarted, reloads the page:
 * once, and not if typed text would be lost.
 */
export function reloadWhereMissing(): void {
  addEventListener('vite:preloadError', (event) => {
    if (isBusy() || Date.now() - lastReload() < AGAIN_MS || !isRemembered()) return;
    event.preventDefault();
    location.reload();
  });
}

function lastReload(): number {
  try {
    return Number(sessionStorage.getItem(KEY));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Without storage the number of reloads is unknown: then there is none. */
function isRemembered(): boolean {
  try {
    sessionStorage.setItem(KEY, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}

/** Whether a reload would lose something. */
function isBusy(): boolean {
  if (document.querySelector('dialog[open]')) return true;
  forgetRemoved();
  return [...typed].some((field) => holdsText(field) && (field.type !== 'search' || field === document.activeElement));
}

function holdsText(field: Typed): boolean {
  return field.value !== '' && field.type !== 'radio' && field.type !== 'checkbox';
}

function forgetRemoved(): void {
  for (const field of typed) if (!field.isConnected) typed.delete(field);
}
