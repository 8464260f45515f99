import { ApiError, api, path, says } from '$api/client';
import { events } from '$api/events.svelte';
import { chrome } from '$kit/chrome.svelte';
import { router } from '$kit/router.svelte';
import { stepIds, type Input, type StepId, type StepView, type View } from './types';

// How often to ask while no stream of events tells what changed, and while one does, lest one got lost.
const pollAlone = 3_000;
const pollBeside = 15_000;
// How often to look whether a server that begins anew is there again, and how often at most.
const restartPause = 300;
const restartTries = 60;

// The first run, which the server keeps: pages may be closed and opened again at any time.
class Wizard {
  view = $state.raw<View>();
  // The server could not be asked: what is shown may be old.
  stale = $state('');
  // The setup session is over: it ended, or another browser has taken a newer link.
  over = $state(false);
  // The owner is signed in; what the view was then stays.
  finished = $state(false);

  #ending = false;
  #asked = 0;
  #first: StepId | undefined;

  async load(): Promise<View> {
    return this.#show(api.get<View>('/setup'));
  }

  // answer waits until the server is there again where the answer has it begin anew.
  async answer(step: StepId, input: Input): Promise<View> {
    const view = await this.#show(api.put<View>(path`/setup/${step}`, input));
    return view.restarting ? this.#anew(view) : view;
  }

  async #anew(before: View): Promise<View> {
    for (let tries = 0; tries < restartTries; tries++) {
      await new Promise((done) => setTimeout(done, restartPause));
      try {
        const view = await api.get<View>('/setup');
        if (view.hostname !== before.hostname || view.certificate.automatic !== before.certificate.automatic) {
          chrome.host = view.hostname;
          return await this.#show(Promise.resolve(view));
        }
      } catch (err) {
        if (err instanceof ApiError && err.status >= 400 && err.status < 500) throw err;
      }
    }
    return before; // what follows says that the server does not answer
  }

  async check(step: StepId): Promise<View> {
    return this.#show(api.post<View>(path`/setup/${step}:check`));
  }

  // Answers may pass each other on the way: only the newest question's counts.
  async #show(asked: Promise<View>): Promise<View> {
    const number = ++this.#asked;
    const view = await asked;
    if (number === this.#asked) this.view = view;
    this.#first ??= view.step;
    this.stale = '';
    return view;
  }

  // follow keeps the view fresh until the returned function is called.
  follow(): () => void {
    const refresh = () => {
      if (!this.#ending && !this.over) void this.#refresh();
    };
    const stopEvents = events.start(['setup']);
    const stopListening = events.on('setup.', refresh);
    let timer: ReturnType<typeof setTimeout>;
    const beat = () => {
      if (!document.hidden) refresh();
      timer = setTimeout(beat, events.connected ? pollBeside : pollAlone);
    };
    timer = setTimeout(beat, pollAlone);
    return () => {
      clearTimeout(timer);
      stopListening();
      stopEvents();
    };
  }

  async #refresh(): Promise<void> {
    try {
      await this.load();
    } catch (err) {
      if (this.#ending) return;
      if (err instanceof ApiError && err.code === 'signed-out') this.over = true;
      else this.stale = says(err);
    }
  }

  // finish ends the first run and signs the owner in: from then on the setup session is gone, and nobody asks with it.
  async finish(): Promise<void> {
    this.#ending = true;
    try {
      await api.post('/setup:finish');
      this.finished = true;
    } catch (err) {
      this.#ending = false;
      throw err;
    }
  }

  step(id: StepId): StepView | undefined {
    return this.view?.steps.find((step) => step.id === id);
  }

  // The step on the screen: that of the URL, else the first that was not done when the page came. It does not change
  // under somebody's hands.
  get at(): StepId {
    const asked = router.path.split('/')[2] as StepId;
    const id = stepIds.includes(asked) ? asked : (this.#first ?? 'start');
    return this.reaches(id) ? id : 'you';
  }

  // Until there is an address, what comes after it has nothing to be about.
  reaches(id: StepId): boolean {
    return id === 'start' || id === 'you' || Boolean(this.view?.answers.address);
  }

  get number(): number {
    return stepIds.indexOf(this.at) + 1;
  }

  go(id: StepId): void {
    router.go(`/setup/${id}`);
  }

  next(): void {
    const id = stepIds[this.number];
    if (id) this.go(id);
  }

  back(): void {
    const id = stepIds[this.number - 2];
    if (id) this.go(id);
  }
}

export const wizard = new Wizard();
