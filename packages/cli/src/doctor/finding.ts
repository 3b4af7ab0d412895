/** What one check found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `warn`: Bora works, but perhaps not as wanted. `fail`: something does not work. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly whatToDo?: string;
}
