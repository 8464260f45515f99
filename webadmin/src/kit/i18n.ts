// Texts of the pages. The English text is the key, as in gettext, so that code reads as the screen does:
// t('Hold {n} messages', { n }). A catalogue maps those keys to another language.

type Params<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? P | Params<Rest> : never;
type Args<S extends string> = [Params<S>] extends [never] ? [] : [params: Record<Params<S>, string | number>];

export type Catalogue = Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;

let catalogue: Catalogue = {};
let plurals = new Intl.PluralRules('en');
let language = 'en';

// use makes texts appear in a language from now on; pages drawn before keep theirs.
export function use(lang: string, texts: Catalogue): void {
  language = lang;
  catalogue = texts;
  plurals = new Intl.PluralRules(lang);
  document.documentElement.lang = lang;
}

export const currentLanguage = (): string => language;

// t is the text in the reader's language, with {names} filled in.
export function t<S extends string>(text: S, ...args: Args<S>): string {
  const found = catalogue[text];
  return fill(typeof found === 'string' ? found : text, args[0] ?? {});
}

// tn picks the form for the number n, which both forms may show as {n}.
export function tn(n: number, one: string, many: string, params: Record<string, string | number> = {}): string {
  const found = catalogue[many];
  const rule = plurals.select(n);
  const form = typeof found === 'object' ? (found[rule] ?? found.other) : undefined;
  return fill(form ?? (rule === 'one' ? one : many), { n: n.toLocaleString(language), ...params });
}

function fill(text: string, params: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}
