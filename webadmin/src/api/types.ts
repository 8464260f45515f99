import type { components } from './schema';

// What the API speaks, as the pages name it. schema.d.ts is generated from admin/api/openapi.json by `npm run types`;
// Schemas['Account'] and its like are used as they are; here are those with a name of their own.

export type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type Account = Schemas['SessionAccount'];
export type Role = Account['role'];
export type QueueItem = Schemas['QueueItem'];
export type QueueState = NonNullable<Schemas['QueueMatch']['state']>;
export type QueueSelection = Schemas['QueueSelection'];

export type State = Schemas['ChecksResult']['state'];
export type StateChange = Schemas['ChecksPoint'];
export type Check = Schemas['ChecksResult'];
export type Overview = Schemas['Overview'];
export type Last24h = Schemas['DayNumbers'];
export type Series = Schemas['Series'];

export type Trace = Schemas['TraceSummary'];
export type StoryEvent = Schemas['StoryLine'];
export type Story = Schemas['Trace'];

export type QueueGroup = Schemas['QueueGroup'] & { state: QueueState };
export type QueueGroups = Schemas['QueueGroups'] & { groups: QueueGroup[] };

export type Job = Schemas['Job'];
export type Change = Schemas['Change'];

export type ScoreRow = Schemas['ScoreRow'];
export type Provider = Schemas['Provider'];
export type Deliverability = Schemas['Deliverability'];
