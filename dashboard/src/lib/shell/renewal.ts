/**
 * Loads the page anew, for another version of it, once nobody is at work on it: no key or pointer for a while, no dialog
 * open, nothing typed that would be lost. What a search field holds is in the address.
 */
const IDLE_MS = 5_000;
const LOOK_MS = 1_000;

type Typed = HTMLInputElement | HTMLTextAreaElement;
/** Fields that somebody wrote into. What a page put there itself is no loss. */
const typed = new Set<Typed>();

/** Keeps an eye on what is typed, from the beginning. @returns stops */
export function watchTyping(): () => void {
  const heard = ({ target }: Event) => {
    forgetGone();
    if (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) typed.add(target);
  };
  addEventListener('input', heard, { capture: true, passive: true });
  return () => {
    removeEventListener('input', heard, { capture: true });
    typed.clear();
  };
}

/** @returns stops waiting */
export function reloadWhenIdle(): () => void {
  let usedAt = performance.now();
  const used = () => {
    usedAt = performance.now();
  };
  const events = ['keydown', 'pointerdown', 'pointermove', 'wheel'] as const;
  for (const event of events) addEventListener(event, used, { passive: true });
  const timer = setInterval(() => {
    const isIdle = document.hidden || performance.now() - usedAt > IDLE_MS;
    if (isIdle && !isBusy()) location.reload();
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    for (const event of events) removeEventListener(event, used);
  };
}

const KEY = 'rma.reloadedAt';
/** Twice in so short a time, and loading anew is not what helps. */
const AGAIN_MS = 10_000;

/**
 * A part of the app that cannot be loaded (its coordinator was just replaced or restarted) is loaded with the whole page
 * anew: once, and not while something would be lost.
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

/** Without storage nobody could tell how often it was tried: then it is not tried. */
function isRemembered(): boolean {
  try {
    sessionStorage.setItem(KEY, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}

/** Something on the page would be lost. */
function isBusy(): boolean {
  if (document.querySelector('dialog[open]')) return true;
  forgetGone();
  return [...typed].some((field) => holdsText(field) && (field.type !== 'search' || field === document.activeElement));
}

function holdsText(field: Typed): boolean {
  return field.value !== '' && field.type !== 'radio' && field.type !== 'checkbox';
}

function forgetGone(): void {
  for (const field of typed) if (!field.isConnected) typed.delete(field);
}
