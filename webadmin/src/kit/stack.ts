import { currentLanguage } from './i18n';

// ceiling is the top of a scale that holds value: 2, 4, 6, 8 or 10 with zeros, and even, so that its half is a whole number.
export function ceiling(value: number): number {
  for (let unit = 1; ; unit *= 10) {
    for (const step of [2, 4, 6, 8, 10]) if (value <= step * unit) return step * unit;
  }
}

// dayLabel is a day of reports. It is a day in UTC, as reports count them.
export const dayLabel = (day: string): string => new Date(day.length === 10 ? `${day}T00:00:00Z` : day).toLocaleDateString(currentLanguage() === 'en' ? 'en-GB' : currentLanguage(), { day: 'numeric', month: 'short', timeZone: 'UTC' });

// everyDay fills a list of days from first to last, so that days without anything are seen as such. It ends after most days.
export function everyDay(first: string, last: string, most = 400): string[] {
  const days: string[] = [];
  for (let at = Date.parse(`${first.slice(0, 10)}T00:00:00Z`); at <= Date.parse(`${last.slice(0, 10)}T00:00:00Z`) && days.length < most; at += 86_400_000) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}
