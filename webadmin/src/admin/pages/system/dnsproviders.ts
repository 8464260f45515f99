import { addressesOf } from '$api/addresses';
import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';

export type ZoneProvider = Schemas['ZoneProvider'];
export type Kind = ZoneProvider['kind'];

interface FieldWords {
  label: string;
  hint?: string;
  placeholder?: string;
}

// KindWords are what a kind of provider is called, and what it has to be told.
export interface KindWords {
  label: string;
  server?: FieldWords;
  login?: FieldWords;
  secret?: FieldWords;
}

const token = (hint: string): FieldWords => ({ label: t('Token'), hint });

export const kinds: Record<Kind, KindWords> = {
  cloudflare: { label: 'Cloudflare', secret: token(t('An API token that may edit the DNS of the zone.')) },
  desec: { label: 'deSEC', secret: token(t('Records live an hour there at least.')) },
  digitalocean: { label: 'DigitalOcean', secret: token(t('A token with the scopes of domains. It knows no TLSA records.')) },
  gandi: { label: 'Gandi', secret: token(t('A personal access token with the right to manage domains (LiveDNS).')) },
  hetzner: { label: 'Hetzner', secret: token(t('Of the project in the Cloud Console that has the zone. Zones of the older DNS Console have to be moved there.')) },
  route53: { label: 'Route 53 (AWS)', login: { label: t('Access key ID') }, secret: { label: t('Secret access key') } },
  rfc2136: {
    label: t('Name server with updates (RFC 2136)'),
    server: { label: t('Primary name server'), placeholder: '192.0.2.53' },
    login: { label: t('Name of the TSIG key'), hint: t('With its algorithm before it, if it is not hmac-sha256: hmac-sha512:NAME') },
    secret: { label: t('Secret of the key'), hint: t('In base64, as it stands in the configuration of the name server.') },
  },
  exec: { label: t('A program on this server') },
};

export const choices = (Object.keys(kinds) as Kind[]).map((value) => ({ value, label: kinds[value].label }));

// complete says whether all that a kind needs is there. A provider that is changed keeps its secret.
export function complete(kind: Kind, given: { name: string; zones: string; server: string; login: string; secret: string }, kept: boolean): boolean {
  const words = kinds[kind];
  return Boolean(given.name.trim() && addressesOf(given.zones).length && (!words.server || given.server.trim()) && (!words.login || given.login.trim()) && (!words.secret || kept || given.secret));
}
