import { list } from '$kit/format';
import { t } from '$kit/i18n';

// Plain words for what programs say of themselves.

export const protocolName = (protocol: string): string =>
  ({ imap: t('reading (IMAP)'), pop3: t('reading (POP3)'), smtp: t('sending (SMTP)'), web: t('these pages') })[protocol] ?? protocol;

const browsers: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(e|ium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];

const systems: [RegExp, string][] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Macintosh|Mac OS X/, 'Mac'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

// browserName is "Firefox on Windows" for a user agent, and its beginning where nothing is recognised.
export function browserName(agent: string): string {
  const first = (list: [RegExp, string][]) => list.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = first(browsers);
  const system = first(systems);
  if (browser && system) return t('{browser} on {system}', { browser, system });
  return browser ?? system ?? (agent.slice(0, 60) || t('an unknown program'));
}

const methods: Record<string, string> = {
  password: t('password'),
  totp: t('code'),
  recovery: t('recovery code'),
  passkey: t('passkey'),
  invite: t('invitation'),
  reset: t('reset link'),
  setup: t('first set-up'),
};

// methodName is how somebody signed in: "password and code".
export const methodName = (method: string): string => list(method.split('+').map((part) => methods[part] ?? part));
