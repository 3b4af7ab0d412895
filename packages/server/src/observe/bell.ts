import type { Clock } from './clock.ts';

/**
 * Wakes a loop that waits for something to happen. Rung while nobody waits, it is remembered; rung often, it wakes once. Waiting
 * leaves no timer and no listener behind, however often it is woken.
 */
export class Bell {
  #isRung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** True once it is rung, false if it was not for `ms`. One waiter at a time. */
  async wait(clock: Clock, ms: number): Promise<boolean> {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(ms, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = null;
    }
    const wasRung = this.#isRung;
    this.#isRung = false;
    return wasRung;
  }
}
