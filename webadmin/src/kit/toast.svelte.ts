// Short messages at the edge of the screen. One with an action stays 10 seconds, one without 5; a failure stays until closed.
export interface ToastMessage {
  id: number;
  text: string;
  kind: 'done' | 'failed';
  action?: { label: string; run: () => void };
}

class Toasts {
  items = $state<ToastMessage[]>([]);
  #next = 1;

  done(text: string, action?: ToastMessage['action']): void {
    this.#add({ id: this.#next++, text, kind: 'done', action }, action ? 10_000 : 5_000);
  }

  failed(text: string): void {
    this.#add({ id: this.#next++, text, kind: 'failed' });
  }

  close(id: number): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  #add(message: ToastMessage, milliseconds?: number): void {
    this.items = [...this.items.filter((item) => item.text !== message.text).slice(-2), message];
    if (milliseconds) setTimeout(() => this.close(message.id), milliseconds);
  }
}

export const toasts = new Toasts();
