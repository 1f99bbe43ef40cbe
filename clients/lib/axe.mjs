// What axe says of a page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// violations are all that axe finds on the page, however light. The policies of pages let no other script in, so that this works where the
// context passes over them alone. It fails where axe does not look at the widget's question where one is shown.
export async function violations(page, what) {
  await page.evaluate(axe);
  const { violations: found, passes } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  assert.ok(passes.length > 10, `axe looked at nothing on ${what}`);
  const shadows = passes.flatMap(({ nodes }) => nodes).filter(({ target }) => Array.isArray(target[0]));
  assert.ok(shadows.length > 0 || (await page.locator('zeroten-survey').count()) === 0, `axe looked at no question on ${what}`);
  return found;
}

// judge fails where axe finds something serious or critical on the page.
export async function judge(page, what) {
  const found = (await violations(page, what))
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], what);
}
