import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contrast, LEAST_CONTRAST, type Rgb, readable } from '../../webview/contrast';

const black: Rgb = [0, 0, 0];
const white: Rgb = [255, 255, 255];

test('contrast is what WCAG 2.1 says', () => {
  assert.ok(Math.abs(contrast(black, white) - 21) < 1e-9);
  assert.equal(contrast(white, white), 1);
  // the example that is just good enough for text: #767676 on white
  assert.ok(Math.abs(contrast([0x76, 0x76, 0x76], white) - 4.54) < 0.01);
});

test('a colour that can be read stays; one that cannot moves towards the foreground', () => {
  const blue: Rgb = [55, 148, 255];
  assert.deepEqual(readable(blue, white, [31, 31, 31]), blue);
  for (const brown of [
    [61, 44, 20],
    [40, 40, 40],
  ] as Rgb[])
    assert.ok(contrast(readable(brown, white, [31, 31, 31]), [31, 31, 31]) >= LEAST_CONTRAST);
  assert.ok(contrast(readable([240, 240, 200], black, white), white) >= LEAST_CONTRAST);
});
