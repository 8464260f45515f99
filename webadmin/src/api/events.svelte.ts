import { base } from './client';

// Live events, one stream for all tabs of the browser: HTTP/1.1 allows six connections per host, so the tab that holds
// a lock opens the stream and tells the others. When it closes, the next tab gets the lock.

export interface LiveEvent {
  id: string;
  event: string;
  data: any;
}

type Listener = (event: LiveEvent) => void;

class Events {
  // connected: the stream is open, here or in the leading tab.
  connected = $state(false);

  #listeners = new Map<string, Set<Listener>>();
  #channel: BroadcastChannel | undefined;
  #topics = '';
  #last = '';

  // start opens the stream for topics until the returned function is called.
  start(topics: string[]): () => void {
    this.#topics = topics.join(',');
    const name = `mailstead-events ${this.#topics}`; // tabs that watch the same share a stream
    const channel = (this.#channel = new BroadcastChannel(name));
    channel.onmessage = (message: MessageEvent<{ event?: LiveEvent; connected?: boolean; ask?: boolean }>) => {
      if (message.data.event) this.#deliver(message.data.event);
      if (message.data.connected !== undefined) this.connected = message.data.connected;
      if (message.data.ask && leading) channel.postMessage({ connected: this.connected });
    };
    channel.postMessage({ ask: true });
    const stop = new AbortController();
    let leading = false;
    navigator.locks
      .request(name, { signal: stop.signal }, async () => {
        leading = true;
        await this.#lead(stop.signal);
      })
      .catch(() => {}); // stopped while it waited
    return () => {
      stop.abort();
      channel.close();
    };
  }

  // on calls listener for events of a name ("check.changed") or of all that begin with it ("queue."). It returns what ends that.
  on(name: string, listener: Listener): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  async #lead(stop: AbortSignal): Promise<void> {
    let pause = 1000;
    while (!stop.aborted) {
      const began = Date.now();
      await this.#stream(stop);
      this.#say(false);
      pause = Date.now() - began > 30_000 ? 1000 : Math.min(pause * 2, 60_000);
      await wait(pause + Math.random() * 1000, stop);
    }
  }

  // stream reads one connection until it ends. fetch, not EventSource: it keeps event names open and can be told the last id.
  async #stream(stop: AbortSignal): Promise<void> {
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (this.#last) headers['Last-Event-ID'] = this.#last;
      const response = await fetch(`${base}/events?topics=${this.#topics}`, { headers, signal: stop });
      if (!response.ok || !response.body) return;
      this.#say(true);
      const parse = parser((event) => {
        this.#last = event.id || this.#last;
        this.#channel?.postMessage({ event });
        this.#deliver(event);
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) parse(chunk.value);
    } catch {
      // The connection broke; the caller opens another.
    }
  }

  #say(connected: boolean): void {
    this.connected = connected;
    try {
      this.#channel?.postMessage({ connected });
    } catch {
      // Closed while the stream ended.
    }
  }

  // After a gap too long to be sent again the server says "missed": everybody has to look anew.
  #deliver(event: LiveEvent): void {
    for (const [name, listeners] of this.#listeners) {
      if (event.event === 'missed' || name === event.event || (name.endsWith('.') && event.event.startsWith(name))) listeners.forEach((listener) => listener(event));
    }
  }
}

function wait(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// parser takes pieces of a text/event-stream (HTML standard, section 9.2) and calls emit for each whole event.
export function parser(emit: (event: LiveEvent) => void): (chunk: string) => void {
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];
  const line = (text: string) => {
    if (text === '') {
      if (data.length) emit({ id, event: event || 'message', data: json(data.join('\n')) });
      event = '';
      data = [];
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') id = value;
    else if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
  };
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    lines.forEach(line);
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const events = new Events();
