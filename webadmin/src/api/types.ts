import type { components } from './schema';

// What the API speaks, as the pages name it. schema.d.ts is generated from admin/api/openapi.json by `npm run types`;
// Schemas['Account'] and its like are used as they are. Written out here is what the document does not describe yet.

export type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type Account = Schemas['SessionAccount'];
export type Role = Account['role'];
export type QueueItem = Schemas['QueueItem'];
export type QueueState = NonNullable<Schemas['QueueMatch']['state']>;
export type QueueSelection = Schemas['QueueSelection'];

export type State = 'ok' | 'warn' | 'fail' | 'unknown';

export interface StateChange {
  at: string;
  state: State;
}

export interface Check {
  id: string;
  group: string;
  title: string;
  state: State;
  saw: string;
  want: string;
  why: string;
  fix?: string;
  fixLink?: string;
  domain?: string;
  mutedUntil?: string;
  since?: string;
  checkedAt?: string;
  // Changes of the last 30 days, oldest first.
  history?: StateChange[];
}

export interface Last24h {
  in: number;
  out: number;
  refused: number;
  accepted: number;
  acceptedShare?: number;
  queue: number;
  p95DeliverySeconds?: number;
  series?: Series;
}

export interface Overview {
  sentence: string;
  state: State;
  toFix: Check[];
  // Of the whole server: domain admins do not see it.
  last24h?: Last24h;
  disk?: { used: number; total: number; fullAt?: string };
  certificate?: { notAfter: string; name?: string };
  version: string;
  checks: Record<State, number>;
}

// Series is columns of numbers over time: each point is [unix seconds, value of names[0], …].
export interface Series {
  names: string[];
  step: number;
  points: (number | null)[][];
}

export type Trace = Schemas['TraceSummary'];
export type StoryEvent = Schemas['StoryLine'];
export type Story = Schemas['Trace'];

export type QueueGroup = Schemas['QueueGroup'] & { state: QueueState };
export type QueueGroups = Schemas['QueueGroups'] & { groups: QueueGroup[] };

export interface Job {
  id: string;
  kind: string;
  state: 'running' | 'done' | 'failed';
  progress: number;
  total: number;
  log: string[];
  result?: unknown;
}

export interface Change {
  path: string;
  before?: unknown;
  after?: unknown;
  text: string;
}

export type ScoreRow = Schemas['ScoreRow'];
export type Provider = Schemas['Provider'];
export type Deliverability = Schemas['Deliverability'];
