import type { State, StateChange } from '$api/types';

// The days of a check, from its changes: each has the worst state that held on it. A day that was wrong for a minute was wrong.

const worse: State[] = ['unknown', 'ok', 'warn', 'fail'];
const day = 86_400_000;

export interface Beat {
  from: number;
  // undefined: before the first check.
  state: State | undefined;
}

export function beats(history: StateChange[], days: number, now = Date.now()): Beat[] {
  const changes = history.map((change) => ({ at: Date.parse(change.at), state: change.state })).sort((a, b) => a.at - b.at);
  return Array.from({ length: days }, (_, i) => {
    const from = now - (days - i) * day;
    const until = from + day;
    const before = changes.findLast((change) => change.at <= from);
    const held = changes.filter((change) => change.at > from && change.at <= until).map((change) => change.state);
    if (before) held.push(before.state);
    return { from, state: held.reduce<State | undefined>((worst, state) => (worst && worse.indexOf(worst) >= worse.indexOf(state) ? worst : state), undefined) };
  });
}
