import { REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import { tooLongLine } from '@bora/server/bytes/bad-line';
import { LineSplitter } from '@bora/server/bytes/line-splitter';
import type { Line } from '@bora/server/bytes/line-splitter';
import { fileMemberOf } from '@bora/server/bytes/named-files';
import { parseRequestLine } from '@bora/server/bytes/request-line';

/** Kept of each kind of fault; the rest is counted. As many as an upload names. */
const FAULTS_KEPT = 100;

/** Models that are told apart; of more than so many the rest is left out. */
const MODELS_KEPT = 100;

export interface Fault {
  /** Physical, 1-based; null for what is wrong with the file as a whole. */
  readonly line: number | null;
  /** As docs/errors.md lists it: what upload or create would answer. */
  readonly code: 'bad_batch_file' | 'missing_member' | 'no_model' | 'empty_input' | 'file_too_large';
  readonly message: string;
}

export interface CheckOptions {
  readonly endpoint: BatchEndpoint;
  /** The job's; null: every line must name one. */
  readonly model: string | null;
  readonly maxLineBytes: number;
  /** Null: no limit. */
  readonly maxFileBytes: number | null;
  /** Null: no limit. */
  readonly maxFileLines: number | null;
}

export interface CheckReport {
  readonly bytes: number;
  /** Lines that are not blank. */
  readonly requests: number;
  /** How many faults there are. */
  readonly faultCount: number;
  /** The first 100 of each kind, by line. */
  readonly faults: readonly Fault[];
  /** Requests by the model that their line names. */
  readonly models: Readonly<Record<string, number>>;
  /** Lines that name a file of the server where the endpoint takes one; whether it is there only the server knows. */
  readonly linesNamingFiles: number;
}

/**
 * What upload and create would refuse of a batch input file, found in one pass without a server, with the server's own reader of lines.
 * Unlike the server it goes on after the first kind of fault. Memory: the current line.
 */
export class RequestCheck {
  readonly #options: CheckOptions;
  readonly #splitter: LineSplitter;
  readonly #faults: Fault[] = [];
  readonly #counts = new Map<Fault['code'], number>();
  readonly #models = new Map<string, number>();
  #bytes = 0;
  #requests = 0;
  #linesNamingFiles = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#splitter = new LineSplitter({ maxLineBytes: options.maxLineBytes });
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    for (const line of this.#splitter.push(chunk)) this.#check(line);
  }

  finish(): CheckReport {
    for (const line of this.#splitter.finish()) this.#check(line);
    this.#checkWhole();
    return {
      bytes: this.#bytes,
      requests: this.#requests,
      faultCount: this.#counts.values().reduce((sum, count) => sum + count, 0),
      faults: this.#faults.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
      models: Object.fromEntries(this.#models),
      linesNamingFiles: this.#linesNamingFiles,
    };
  }

  #check(line: Line): void {
    if (line.isBlank) return;
    this.#requests += 1;
    const { endpoint, model, maxLineBytes } = this.#options;
    const needed: readonly string[] = REQUIRED_MEMBERS[endpoint];
    const request =
      line.content === null ? tooLongLine(maxLineBytes) : parseRequestLine(line.content, needed);
    if (request.kind === 'bad') return this.#add(line.number, 'bad_batch_file', request.message);
    if (request.members.length === 0) {
      const names = needed.map((name) => JSON.stringify(name)).join(' or ');
      this.#add(line.number, 'missing_member', `The body has no ${names}, which ${endpoint} needs.`);
    }
    if (request.bodyModel !== null) this.#countModel(request.bodyModel);
    else if (model === null)
      this.#add(line.number, 'no_model', 'The body names no "model", and the job names none either.');
    const fileMember = fileMemberOf(endpoint);
    if (request.files.some(({ member }) => member === fileMember)) this.#linesNamingFiles += 1;
  }

  #checkWhole(): void {
    const { maxFileBytes, maxFileLines } = this.#options;
    if (this.#requests === 0)
      this.#add(
        null,
        'empty_input',
        'The file has no requests. Write one JSON object with a "body" per line.',
      );
    if (maxFileBytes !== null && this.#bytes > maxFileBytes)
      this.#add(
        null,
        'file_too_large',
        `The file is larger than ${maxFileBytes} bytes. Split it into several files.`,
      );
    if (maxFileLines !== null && this.#requests > maxFileLines)
      this.#add(
        null,
        'file_too_large',
        `The file has ${this.#requests} lines, more than ${maxFileLines}. Split it into several files.`,
      );
  }

  #add(line: number | null, code: Fault['code'], message: string): void {
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count <= FAULTS_KEPT) this.#faults.push({ line, code, message });
  }

  #countModel(model: string): void {
    const count = this.#models.get(model) ?? 0;
    if (count > 0 || this.#models.size < MODELS_KEPT) this.#models.set(model, count + 1);
  }
}
