import { CONTROLS, SELF_TESTS } from './planted-defects.ts';

/** Shows that the tests of the guarantees can fail: defect by defect, who noticed it and what it said. */
let missed = 0;
console.log(row('defect', 'guarantee', 'detector', 'what it said'));
for (const { detector, detect } of CONTROLS) {
  const said = await detect();
  if (said.length > 0) missed += 1;
  console.log(row('none', '', detector, said.length === 0 ? 'nothing' : `A FALSE ALARM: ${said[0]}`));
}
for (const { defect, guarantee, detector, detect, says } of SELF_TESTS) {
  const said = await detect();
  const found = said.find((sentence) => says.test(sentence));
  if (found === undefined) missed += 1;
  console.log(
    row(defect, String(guarantee), detector, found ?? `NOT NOTICED: ${said[0] ?? 'it said nothing'}`),
  );
}
if (missed > 0) console.log(`\n${missed} of ${CONTROLS.length + SELF_TESTS.length} went wrong.`);
process.exitCode = missed === 0 ? 0 : 1;

function row(defect: string, guarantee: string, detector: string, said: string): string {
  return `${defect.padEnd(27)}${guarantee.padEnd(11)}${detector.padEnd(19)}${said.replaceAll(/\s+/g, ' ').slice(0, 160)}`;
}
