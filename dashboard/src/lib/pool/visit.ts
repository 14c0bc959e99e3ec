/**
 * What this browser remembers of a visit, for all its tabs: that somebody is signed in, so that the end of a session can
 * be told from a first visit, and one tab's signing in or out reaches the others. Never a credential.
 */
const KEY = 'rma.signed-in';

export function rememberVisit(subject: string): void {
  write(() => localStorage.setItem(KEY, subject));
}

export function forgetVisit(): void {
  write(() => localStorage.removeItem(KEY));
}

/** Whether somebody was signed in here and never signed out. */
export function isReturning(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

/** Calls when another tab signed in (its subject) or out (null). @returns stops that */
export function onOtherTab(change: (subject: string | null) => void): () => void {
  const heard = (event: StorageEvent) => {
    if (event.key === KEY && event.newValue !== event.oldValue) change(event.newValue);
  };
  addEventListener('storage', heard);
  return () => removeEventListener('storage', heard);
}

/** A browser may keep no storage for the page: its tabs then know nothing of each other. */
function write(change: () => void): void {
  try {
    change();
  } catch (error) {
    console.info('this browser keeps no storage for the page', error);
  }
}
