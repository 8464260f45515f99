import { ApiError, says } from './client';

// Action is one thing a person can set off: it runs once at a time, and keeps what went wrong for the form to show.
export class Action<A extends unknown[], T> {
  busy = $state(false);
  error = $state.raw<ApiError>();

  #run: (...args: A) => Promise<T>;

  constructor(run: (...args: A) => Promise<T>) {
    this.#run = run;
  }

  // run answers undefined when it failed or was already running.
  run = async (...args: A): Promise<T | undefined> => {
    if (this.busy) return undefined;
    this.busy = true;
    this.error = undefined;
    try {
      return await this.#run(...args);
    } catch (err) {
      this.error = err instanceof ApiError ? err : new ApiError(0, 'failed', 'Failed', says(err));
      return undefined;
    } finally {
      this.busy = false;
    }
  };

  field = (name: string): string => this.error?.field(name) ?? '';
}
