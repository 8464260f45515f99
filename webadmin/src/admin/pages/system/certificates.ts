import type { Schemas } from '$api/types';
import { daysLeft } from '$kit/format';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';

export type Certificate = Schemas['CertificateStatus'];

// How is what can be said of a renewal.
export interface How {
  force?: boolean;
  newKey?: boolean;
}

// standing is the state of a certificate, as an icon and a word.
export function standing(c: Certificate, now = Date.now()): { state: StateName; label: string } {
  const days = c.notAfter ? (Date.parse(c.notAfter) - now) / 86_400_000 : 0;
  switch (c.state) {
    case 'waiting':
      return { state: 'info', label: t('Is being got') };
    case 'failing':
      return { state: c.optional ? 'warn' : 'fail', label: t('There is none yet') };
    case 'away':
      return { state: 'unknown', label: t('Does not lead here') };
    case 'expired':
      return { state: 'fail', label: t('Has ended') };
  }
  if (days < 3) return { state: 'fail', label: daysLeft(c.notAfter!, now) };
  if (c.source === 'self-signed') return { state: 'warn', label: t('Not trusted by others') };
  if (c.problem) return { state: 'warn', label: c.source === 'files' ? t('Not for this name') : t('Good, its renewal fails') };
  if (c.state === 'renewing') return { state: 'ok', label: t('Good, is being renewed') };
  return c.source === 'files' && days < 14 ? { state: 'warn', label: daysLeft(c.notAfter!, now) } : { state: 'ok', label: t('Good') };
}

export const sources: Record<Certificate['source'], string> = {
  acme: t('got and renewed by itself (ACME)'),
  files: t('from files that you renew'),
  'self-signed': t('signed by this server itself, so nobody else trusts it'),
};

// challenges are how the authority saw that a name leads here.
export const challenges: Record<NonNullable<Certificate['challenge']>, string> = {
  'http-01': t('port 80 (HTTP-01)'),
  'tls-alpn-01': t('port 443 (TLS-ALPN-01)'),
  'dns-01': t('a DNS record (DNS-01)'),
};

// isDue says whether it is got without being forced.
export const isDue = (c: Certificate): boolean => c.source === 'acme' && c.state !== 'good' && c.state !== 'away';
