/** Loads the page anew once nobody is at work on it: no key or pointer for a while, no dialog open, nothing typed. */
const IDLE_MS = 5_000;
const LOOK_MS = 1_000;

/** @returns stops waiting */
export function reloadWhenIdle(): () => void {
  let usedAt = performance.now();
  const used = () => {
    usedAt = performance.now();
  };
  const events = ['keydown', 'pointerdown', 'pointermove', 'wheel'] as const;
  for (const event of events) addEventListener(event, used, { passive: true });
  const timer = setInterval(() => {
    if (document.hidden || (performance.now() - usedAt > IDLE_MS && !isBusy())) location.reload();
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    for (const event of events) removeEventListener(event, used);
  };
}

/** Something on the page would be lost. */
function isBusy(): boolean {
  if (document.querySelector('dialog[open]')) return true;
  const fields = document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('main textarea, main input');
  return [...fields].some((field) => field.value !== field.defaultValue && !['radio', 'checkbox'].includes(field.type));
}
