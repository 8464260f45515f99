import { Action } from './action.svelte';
import { ApiError, api, path, says } from './client';
import type { Job } from './types';

const every = 500; // ms

// Following asks how far a job is until it ends. cancel ends it; what it has done stays.
export class Following {
  job = $state.raw<Job>();
  error = $state.raw<ApiError>();

  #ended: (job: Job) => unknown;

  constructor(ended: (job: Job) => unknown = () => {}) {
    this.#ended = ended;
    $effect(() => {
      const job = this.job; // each answer, and each failure to get one, sets the next question
      if (job?.state !== 'running') return;
      const timer = setTimeout(() => void this.start(job.id), every);
      return () => clearTimeout(timer);
    });
  }

  get running(): boolean {
    return this.job?.state === 'running';
  }

  cancel = new Action(async () => {
    if (this.job) await api.post(path`/jobs/${this.job.id}:cancel`);
  });

  start = async (id: string): Promise<void> => {
    try {
      this.job = await api.get<Job>(path`/jobs/${id}`);
      this.error = undefined;
    } catch (err) {
      this.error = err instanceof ApiError ? err : new ApiError(0, 'failed', 'Failed', says(err));
      if (this.error.status === 404) this.job = undefined; // the server was started again, and knows nothing of it
      else if (this.job) this.job = { ...this.job };
      return;
    }
    if (this.job.state !== 'running') await this.#ended(this.job);
  };
}
