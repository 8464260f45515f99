// Runs before the first paint, so that a chosen theme does not flash. A change of this file gets a new number:
// it is cached for ever, as everything under /assets/ is.
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the theme of the system holds.
}
