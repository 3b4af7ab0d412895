import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import type { TemporaryFolder } from '@bora/testkit/temporary-folder';
import type { Database } from '../src/storage/ports/database.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { call, chatLine, startApiServer, uploadLines } from './api-server.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const OPENAI = { 'x-stainless-lang': 'js' };
const AGAIN = { 'x-stainless-retry-count': '1' };

interface Create {
  readonly path: string;
  /** A body with this content, and its type. */
  readonly body: (content: string, inputId: string) => { readonly type: string; readonly text: string };
  readonly method: 'createFile' | 'createUpload' | 'createBatch';
}

const CREATES: readonly Create[] = [
  {
    path: '/v1/files',
    method: 'createFile',
    body: (content) => ({
      type: 'multipart/form-data; boundary=b',
      text: [
        '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data',
        `\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n${content}\r\n--b--\r\n`,
      ].join(''),
    }),
  },
  {
    path: '/v1/uploads',
    method: 'createUpload',
    body: (content) => ({
      type: 'application/json',
      text: JSON.stringify({ filename: content, purpose: 'user_data', bytes: 3, mime_type: 'text/plain' }),
    }),
  },
  {
    path: '/v1/batches',
    method: 'createBatch',
    body: (content, inputId) => ({
      type: 'application/json',
      text: JSON.stringify({
        input_file_id: inputId,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
        metadata: { content },
      }),
    }),
  },
  {
    path: '/v1/batch/jobs',
    method: 'createBatch',
    body: (content, inputId) => ({
      type: 'application/json',
      text: JSON.stringify({ input_files: [inputId], endpoint: '/v1/chat/completions', model: content }),
    }),
  },
  {
    path: '/v1/batch/jobs?inline',
    method: 'createBatch',
    body: (content) => ({
      type: 'application/json',
      text: JSON.stringify({
        requests: [{ body: { messages: [{ role: 'user', content }] } }],
        endpoint: '/v1/chat/completions',
        model: 'm',
      }),
    }),
  },
];

for (const create of CREATES) {
  const name = `POST ${create.path}`;

  test(`${name}: another try finds the object whose answer could not be delivered, once`, async () => {
    await using world = await World.open(create);
    const missed = await world.sendAndLeave('one');
    const other = await world.send('one');
    assert.notEqual(other, missed, 'an equal create that is no other try makes its own');
    assert.notEqual(await world.send('two', AGAIN), missed, 'another create is another object');
    assert.equal(await world.send('one', AGAIN), missed);
    const own = await world.send('one', AGAIN);
    assert.ok(![missed, other].includes(own), 'what was delivered by now is not found again');
  });

  test(`${name}: each try finds one of several such objects, also after a restart`, async () => {
    await using world = await World.open(create);
    const answered = await world.send('one');
    const missed = [await world.sendAndLeave('one'), await world.sendAndLeave('one')];
    await world.restart();
    const found = [await world.send('one', AGAIN), await world.send('one', AGAIN)];
    assert.deepEqual(found.toSorted(), missed.toSorted());
    await world.restart();
    assert.ok(![answered, ...missed].includes(await world.send('one', AGAIN)));
  });

  test(`${name}: what was answered is not found by a later create that says it is another try`, async () => {
    await using world = await World.open(create);
    const answered = await world.send('one');
    assert.notEqual(await world.send('one', AGAIN), answered);
  });

  test(`${name}: ten minutes later another try is a new create`, async () => {
    await using world = await World.open(create);
    const missed = await world.sendAndLeave('one');
    world.ahead = 10 * MINUTE_MS;
    assert.notEqual(await world.send('one', AGAIN), missed);
  });

  test(`${name}: one Idempotency-Key is one object, also over time and without another try`, async () => {
    await using world = await World.open(create);
    const key = { 'idempotency-key': 'k' };
    const first = await world.send('one', key);
    world.ahead = 30 * MINUTE_MS;
    assert.equal(await world.send('one', key), first);
    assert.equal(await world.send('one', { ...key, ...AGAIN }), first);
    assert.notEqual(await world.send('one', { 'idempotency-key': 'other' }), first);

    const reused = await world.call<OpenAiErrorBody>('two', key);
    assert.deepEqual([reused.status, reused.body.bora?.code], [409, 'key_reused']);
    const isMistral = create.path.startsWith('/v1/batch/');
    if (!isMistral) assert.equal(reused.headers.get('x-should-retry'), 'false');
    for (const wrong of ['', 'k'.repeat(256)]) {
      const { status, body } = await world.call<OpenAiErrorBody>('one', { 'idempotency-key': wrong });
      assert.deepEqual([status, body.bora?.code], [isMistral ? 422 : 400, 'invalid_request']);
      if (!isMistral) assert.equal(body.error.param, 'Idempotency-Key');
    }
  });
}

for (const create of CREATES.filter(({ method }) => method === 'createBatch')) {
  const name = `POST ${create.path}`;
  const key = { 'idempotency-key': 'k' };

  test(`${name}: the key answers its batch though nothing would be taken any more`, async () => {
    await using world = await World.open(create);
    const id = await world.send('one', key);
    await world.deleteInputs(id);
    world.server.upstreams.endpoints = [];
    world.server.upstreams.models = [];
    assert.equal(await world.send('one', key), id);
    await world.server.database.cancelBatch(world.server.workspaceId, uuid(id));
    const { body } = await world.call<{ status: string }>('one', key);
    assert.equal(body.status.toLowerCase(), 'cancelled', 'as it is now');
    const reused = await world.call<OpenAiErrorBody>('two', key);
    assert.equal(reused.body.bora?.code, 'key_reused');
  });

  test(`${name}: the key of a deleted batch is spent for a day`, async () => {
    await using world = await World.open(create);
    const { database, workspaceId } = world.server;
    const id = await world.send('one', key);
    await database.deleteBatch(workspaceId, uuid(id));
    const refusal = async (): Promise<unknown> => {
      const { status, body } = await world.call<OpenAiErrorBody>('one', key);
      return [status, body.bora?.code];
    };
    assert.deepEqual(await refusal(), [409, 'key_spent']);
    await world.purge();
    assert.deepEqual(await refusal(), [409, 'key_spent']);
    world.ahead = DAY_MS;
    await database.expireFiles(1);
    assert.equal(await world.send('one', key), id);
  });
}

test('the key of a deleted file is spent for a day', async () => {
  await using world = await World.open(CREATES[0]);
  const { database, workspaceId } = world.server;
  const key = { 'idempotency-key': 'k' };
  const id = await world.send('one', key);
  await database.deleteFile(workspaceId, uuid(id));
  assert.equal((await world.call<OpenAiErrorBody>('one', key)).body.bora?.code, 'key_spent');
  await world.purge();
  assert.equal((await world.call<OpenAiErrorBody>('one', key)).body.bora?.code, 'key_spent');
  world.ahead = DAY_MS;
  await database.expireFiles(1);
  assert.equal(await world.send('one', key), id);
});

test('the key answers its upload though there is no room for another', async () => {
  await using world = await World.open(CREATES[1]);
  const key = { 'idempotency-key': 'k' };
  const id = await world.send('one', key);
  const { database, workspaceId } = world.server;
  await database.changeWorkspace(workspaceId, { limits: { maxStoredBytes: 1 } });
  assert.equal((await world.call<OpenAiErrorBody>('two')).status, 413);
  assert.equal(await world.send('one', key), id);
});

test('an upload that brings what is there leaves no bytes behind', async () => {
  await using world = await World.open(CREATES[0]);
  const content = 'x'.repeat(100_000);
  const key = { 'idempotency-key': 'k' };
  const first = await world.send(content, key);
  assert.equal(await world.send(content, key), first);
  const { database, workspaceId } = world.server;
  // With the input of the world.
  assert.equal((await database.workspaceUsage(workspaceId))?.files, 2);
  const released = await database.collectableBlobs(0, 100);
  assert.equal(released.length, 1);
});

/** A server of which the answer to a create can be missed. */
class World implements AsyncDisposable {
  readonly #create: Create;
  readonly #folder: TemporaryFolder;
  server!: ApiServer;
  ahead = 0;
  #inputId = '';
  /** Called when an object is made, before anybody is answered. */
  #onMade: (id: string) => Promise<void> = async () => {};

  private constructor(create: Create, folder: TemporaryFolder) {
    this.#create = create;
    this.#folder = folder;
  }

  static async open(create: Create): Promise<World> {
    const world = new World(create, await makeTemporaryFolder());
    world.server = await world.#start();
    world.#inputId = await uploadLines(world.server, [chatLine('a')]);
    return world;
  }

  #start(): Promise<ApiServer> {
    const { method } = this.#create;
    return startApiServer({
      dataFolder: this.#folder.path,
      ahead: () => this.ahead,
      wrapDatabase: (database) =>
        Object.assign(Object.create(database) as Database, {
          [method]: async (...args: unknown[]) => {
            type Made = { readonly id: string } | { readonly batch: { readonly id: string } };
            const made = await (database[method] as (...given: unknown[]) => Promise<Made>)(...args);
            await this.#onMade('batch' in made ? made.batch.id : made.id);
            return made;
          },
        }),
    });
  }

  async restart(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.server = await this.#start();
  }

  async deleteInputs(id: string): Promise<void> {
    const { database, workspaceId } = this.server;
    for (const input of (await database.getBatch(workspaceId, uuid(id)))!.inputFileIds)
      assert.ok(await database.deleteFile(workspaceId, input));
  }

  /** What is deleted, from the database too. */
  async purge(): Promise<void> {
    const { database } = this.server;
    const session = await database.openSession();
    for (let task; (task = await database.claimTask(session)) !== null;)
      if (task.kind.startsWith('purge')) assert.equal(await database.purge(task, 100), 'done');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  call<Body>(content: string, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    const { type, text } = this.#create.body(content, this.#inputId);
    return call<Body>(this.server, this.#create.path, {
      method: 'POST',
      headers: { 'content-type': type, ...OPENAI, ...headers },
      body: text,
    });
  }

  /** The id of what the create answers. */
  async send(content: string, headers: Record<string, string> = {}): Promise<string> {
    const { status, body } = await this.call<OpenAiFile | OpenAiUpload>(content, headers);
    assert.equal(status, 200, JSON.stringify(body));
    return plain(body.id);
  }

  /** Sends a create, and goes away once its object is made and before it is answered. Answers the id. */
  async sendAndLeave(content: string): Promise<string> {
    const made = Promise.withResolvers<string>();
    const left = once(this.server.app.server, 'connection').then(([socket]) => once(socket, 'close'));
    this.#onMade = async (id) => {
      this.#onMade = async () => {};
      made.resolve(id);
      await left;
    };
    const { type, text } = this.#create.body(content, this.#inputId);
    const sending = request(`${this.server.url}${this.#create.path}`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': type, 'content-length': text.length, ...OPENAI },
    });
    sending.on('error', () => {});
    sending.end(text);
    const id = await made.promise;
    sending.destroy();
    await left;
    // The call goes on behind the closed connection, with at most one more look at the database, which answers in turn.
    for (let look = 0; look < 2; look += 1)
      await this.server.database.workspaceUsage(this.server.workspaceId);
    return plain(id);
  }
}

/** However its route writes it. */
function plain(id: string): string {
  return id.replace('batch_', '').replaceAll('-', '');
}

/** The other way round. */
function uuid(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
