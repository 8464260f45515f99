import { currentLanguage, t, tn } from './i18n';

// Numbers and times as people read them. Times come from the API as RFC 3339 in UTC and are shown in the reader's zone.

const cache = new Map<string, Intl.DateTimeFormat>();

function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = currentLanguage() + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) cache.set(key, (format = new Intl.DateTimeFormat(locale(), options)));
  return format;
}

// The browser's own English, for its order of day and month, while the texts are English.
function locale(): string | undefined {
  const own = typeof navigator === 'undefined' ? undefined : navigator.language;
  return own?.startsWith(currentLanguage()) ? own : currentLanguage();
}

export const count = (n: number): string => n.toLocaleString(locale());

// bytes is a size with three significant digits in units of 1000, as disks and quotas are sold.
export function bytes(n: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let value = n;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${Number(value.toFixed(digits)).toLocaleString(locale())} ${units[unit]}`;
}

// share is a percentage that says 100 only when all is meant: 0.9996 is 99.9 %.
export function share(part: number): string {
  const percent = part * 100;
  if (percent >= 100) return '100 %';
  if (percent <= 0) return '0 %';
  const shown = percent > 99 ? Math.min(99.9, Number(percent.toFixed(1))) : percent < 1 ? Math.max(0.1, Number(percent.toFixed(1))) : Math.round(percent);
  return `${shown.toLocaleString(locale())} %`;
}

// duration is a span of seconds in its largest fitting unit: 0.4 s, 12 s, 5 min, 3 h, 4 d.
export function duration(seconds: number): string {
  const s = Math.abs(seconds);
  if (s < 10) return t('{n} s', { n: Number(s.toFixed(1)).toLocaleString(locale()) });
  if (s < 60) return t('{n} s', { n: Math.floor(s) });
  if (s < 3600) return t('{n} min', { n: Math.floor(s / 60) });
  if (s < 86400) return t('{n} h', { n: Math.floor(s / 3600) });
  return t('{n} d', { n: Math.floor(s / 86400) });
}

const seconds = (iso: string, now: number): number => (now - Date.parse(iso)) / 1000;

// ago is "just now", "5 min ago" or "in 3 h".
export function ago(iso: string, now = Date.now()): string {
  const s = seconds(iso, now);
  if (Math.abs(s) < 10) return t('just now');
  return s > 0 ? t('{time} ago', { time: duration(s) }) : t('in {time}', { time: duration(s) });
}

// due is when something is going to be done, as it follows "next try": "in 3 h", and "now" for what is about to begin or is late.
export const due = (iso: string, now = Date.now()): string => (seconds(iso, now) > -10 ? t('now') : ago(iso, now));

// localTimes shows the times within a text of the server as the pages show times.
export const localTimes = (text: string, now = Date.now()): string => text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, (iso) => (Number.isNaN(Date.parse(iso)) ? iso : when(iso, now)));

export const clock = (iso: string): string => dateFormat({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(Date.parse(iso));
export const clockSeconds = (iso: string): string =>
  dateFormat({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(Date.parse(iso));

// when is the time of day for today, day and time for other days of this year, and the year for older.
export function when(iso: string, now = Date.now()): string {
  const at = new Date(iso);
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock(iso);
  if (at.getFullYear() === today.getFullYear()) {
    return dateFormat({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
  }
  return day(iso);
}

export const day = (iso: string): string => dateFormat({ day: 'numeric', month: 'short', year: 'numeric' }).format(Date.parse(iso));
export const full = (iso: string): string => dateFormat({ dateStyle: 'full', timeStyle: 'long' }).format(Date.parse(iso));

// daysLeft says how long until a day: "61 days left", "ended 2 days ago".
export function daysLeft(iso: string, now = Date.now()): string {
  const days = Math.floor(-seconds(iso, now) / 86400);
  if (days >= 0) return tn(days, '{n} day left', '{n} days left');
  return tn(-days, 'ended {n} day ago', 'ended {n} days ago');
}

// list joins names as a sentence does: "a, b and c".
export const list = (names: string[]): string => new Intl.ListFormat(currentLanguage(), { type: 'conjunction' }).format(names);
