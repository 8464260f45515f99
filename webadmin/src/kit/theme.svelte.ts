// The theme a person chose, kept in this browser; "system" follows the system. theme-1.js applies it before the first paint.
export type Theme = 'system' | 'light' | 'dark';

function stored(): Theme {
  try {
    const value = localStorage.getItem('theme');
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

class ThemeChoice {
  current = $state<Theme>(stored());

  // dark: what is on the screen now.
  get dark(): boolean {
    return this.current === 'dark' || (this.current === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  }

  set(theme: Theme): void {
    this.current = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', theme);
    } catch {
      // No storage: the choice holds until the page is left.
    }
  }
}

export const theme = new ThemeChoice();
