// modifier is the key of shortcuts as this machine's keyboard shows it.
export const modifier = /Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘' : 'Ctrl ';
