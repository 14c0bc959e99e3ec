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

/** Something on the page would be lost. */
export function isBusy(): boolean {
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
