/** The theme: light, dark or as the system; stored in this browser. app.html applies it before the first paint. */
export type Theme = 'system' | 'light' | 'dark';
export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

const KEY = 'rma.theme';

class ThemeChoice {
  choice = $state<Theme>(read());
  /** Incremented with each visible change, so that canvases are redrawn. */
  changes = $state(0);

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.changes += 1;
    });
    // Chosen in another tab.
    addEventListener('storage', ({ key }) => {
      if (key === KEY || key === null) this.#show(read());
    });
  }

  choose(theme: Theme): void {
    this.#show(theme);
    remember(theme);
  }

  #show(theme: Theme): void {
    this.choice = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.changes += 1;
  }
}

/** Storage may be disabled; the choice then lasts as long as the page. */
function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch {
    return 'system';
  }
}

function remember(theme: Theme): void {
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch (error) {
    console.info('the theme cannot be stored', error);
  }
}

/** A colour of app.css as this theme resolves it, for canvases: `colour('--tier-1')`. */
export function colour(token: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export const theme = new ThemeChoice();
