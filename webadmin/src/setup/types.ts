import type { Schemas } from '$api/types';

// What the API says of the first run, as these pages name it.

export type View = Schemas['SetupView'];
export type StepView = Schemas['SetupStepView'];
export type StepId = StepView['id'];
export type StepState = StepView['state'];
export type Answers = Schemas['SetupAnswers'];
export type Goal = NonNullable<Answers['goal']>;
export type Input = Schemas['SetupInput'];
export type Relay = Schemas['SetupRelay'];
export type Survey = Schemas['DNSSurvey'];
export type FirstMessage = Schemas['SetupMessage'];

export const stepIds: StepId[] = ['start', 'you', 'server', 'dns', 'certificate', 'mail', 'done'];
