import { Bora } from '@bora/server';
import { silentLog } from '@bora/server/observe/log';
import { exitWhenLost } from '../src/exit-when-lost.ts';
import { Output } from '../src/output.ts';

/** A Bora as the commands run it, whose database dies once it is asked whether it is ready. */
const storeVariant = new URL(import.meta.resolve('@bora/testkit/dying-thread'));
const bora = await Bora.fromEnv({ env: process.env }, { log: silentLog, sqlite: { storeVariant } });
exitWhenLost(bora, new Output(false));
await bora.start();
await fetch(`${bora.url}/readyz`);
