import { registerDiskContract } from '@bora/testkit/contracts/disk-contract';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { openVolatileDisk } from '@bora/testkit/volatile-disk';
import { openSystemDisk } from '../src/storage/disk/system-disk.ts';

registerDiskContract('the system disk', async () => {
  const folder = await makeTemporaryFolder();
  const disk = await openSystemDisk(`${folder.path}/made/by/bora`);
  return { disk, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});

registerDiskContract('the simulated disk', async () => {
  return { disk: new SimulatedDisk(), [Symbol.asyncDispose]: async () => {} };
});

registerDiskContract('the volatile disk', async () => {
  const folder = await makeTemporaryFolder();
  const disk = await openVolatileDisk(await openSystemDisk(folder.path));
  return { disk, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});
