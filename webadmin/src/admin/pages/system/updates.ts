import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';

type Phase = Schemas['UpgradeState']['phase'];
type Way = Schemas['Updates']['way'];

/** What an upgrade has come to, in a word or two. */
export function phaseName(phase: Phase): string {
  return {
    testing: t('is tried on a copy'),
    switching: t('is switching'),
    watching: t('is watched'),
    returning: t('is going back'),
    done: t('done'),
    back: t('went back'),
    refused: t('refused'),
  }[phase];
}

export function phaseState(phase: Phase): StateName {
  if (phase === 'done') return 'ok';
  return phase === 'back' || phase === 'refused' ? 'warn' : 'info';
}

/** How the program came here. */
export function wayName(way: Way): string {
  return { deb: t('as a Debian package'), rpm: t('as an RPM package'), image: t('as a container image'), binary: t('as a file') }[way];
}
