// What the page tells the shell around it.
export interface Crumb {
  label: string;
  href?: string;
}

class Chrome {
  crumbs = $state.raw<Crumb[]>([]);
  host = $state('');
}

export const chrome = new Chrome();
