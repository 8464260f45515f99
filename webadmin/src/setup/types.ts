import type { Check, Schemas, State, StoryEvent } from '$api/types';

// What the API says of the first run.

export const stepIds = ['start', 'you', 'server', 'dns', 'certificate', 'mail', 'done'] as const;
export type StepId = (typeof stepIds)[number];
export type StepState = 'todo' | 'waiting' | 'warn' | 'ok';
export type Goal = 'serve' | 'move' | 'try';

export interface StepView {
  id: StepId;
  title: string;
  state: StepState;
}

export interface Answers {
  goal?: Goal;
  address?: string;
  name?: string;
  host?: string;
  relayHost?: string;
  receiveOnly?: boolean;
  goOn?: boolean;
  ownCertificate?: boolean;
  sendTo?: string;
}

export interface Relay {
  host: string;
  tls?: 'required' | 'implicit' | 'opportunistic';
  login?: string;
  password?: string;
}

// The answer to one step.
export interface Input {
  goal?: Goal;
  address?: string;
  name?: string;
  password?: string;
  relay?: Relay;
  receiveOnly?: boolean;
  goOn?: boolean;
  ownCertificate?: boolean;
  sendTo?: string;
}

export interface Survey {
  domain: string;
  registered: 'ok' | 'missing' | 'unknown';
  servers: string[];
  provider?: Schemas['DNSProvider'];
  mx: string[];
  mailAt?: string;
  text: string;
}

// The first message in one direction, as far as it has come.
export interface FirstMessage {
  trace: string;
  from: string;
  to: string[];
  at: string;
  state: string;
  text?: string;
  done: boolean;
  story?: StoryEvent[];
}

export interface ServerChecks {
  sentence: string;
  state: State;
  items: Check[];
}

export interface View {
  open: boolean;
  step: StepId;
  steps: StepView[];
  hostname: string;
  answers: Answers;
  password: { minLength: number };
  survey?: Survey;
  suggestHost?: string;
  checks?: ServerChecks;
  dns?: Schemas['DNSReport'];
  certificate: { trusted: boolean; text: string };
  mail: { in?: FirstMessage; out?: FirstMessage };
  recovery?: string[];
}
