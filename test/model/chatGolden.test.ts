import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chatGolden,
  type GoldenChat,
  messagesOf,
  openGoldenTemplate,
  openGoldenTokenizer,
  templateText,
} from './chatGolden';

const after = ({ system, user }: GoldenChat) => ({ user, ...(system !== null && { system }) });

for (const [name, { texts, templates }] of Object.entries(chatGolden.tokenizers)) {
  const tokenizer = openGoldenTokenizer(name);

  test(`${name}: every text has the ids and the decoded text that transformers gives`, () => {
    for (const { text, ids, special, decoded } of texts) {
      assert.deepEqual(tokenizer.encode(text), ids, text);
      assert.deepEqual(tokenizer.encode(text, { special: true }), special, text);
      // The library loses U+FEFF where it is written in bytes; it is a mark that nobody sees.
      const seen = (part: string) => part.replaceAll('\ufeff', '');
      assert.equal(seen(tokenizer.decode(ids, { keepSpecial: true })), seen(decoded));
    }
  });

  for (const [style, expected] of Object.entries(templates)) {
    const chat = openGoldenTemplate(name, tokenizer, templateText(style));

    test(`${name}, ${style}: prompts are the ids that transformers gives, prompt and answer those of the whole chat`, () => {
      let exact = 0;
      for (const [i, it] of chatGolden.chats.entries()) {
        const ids = expected[i];
        const about = JSON.stringify(it);
        if (!ids) {
          assert.throws(() => chat.render(after(it)), /takes no system prompt: leave `system` away/, about);
          continue;
        }
        const { ids: prompt } = chat.render(after(it));
        assert.deepEqual(chat.prompt(messagesOf(it)), prompt, about);
        if (it.answer === null) {
          assert.deepEqual(prompt, ids, about);
          continue;
        }
        const answer = chat.answerIds(it.answer, { after: after(it) });
        assert.equal(answer.at(-1), chat.endId, about);
        // A template without a marker: the model's end token comes in place of the new line that it writes.
        const whole = style === 'plain' ? [...prompt, ...answer.slice(0, -1)] : [...prompt, ...answer];
        // A token would lie across a border: two new lines, or a blank and the word behind it.
        const joined = style === 'plain' || !prompt.every((id, k) => ids[k] === id);
        if (!joined) {
          assert.deepEqual(whole, ids.slice(0, whole.length), about);
          exact++;
        } else {
          // The same text all the same, and the prompt as it is asked.
          assert.ok(style === 'plain' || it.answer.startsWith('\n'), about);
          const written = tokenizer.decode(ids, { keepSpecial: true });
          assert.ok(written.startsWith(tokenizer.decode(whole, { keepSpecial: true })), about);
        }
      }
      assert.ok(exact >= 9 || style === 'plain');
    });

    test(`${name}, ${style}: the user's words and nothing else, or one token that they share with the template`, () => {
      for (const [i, it] of chatGolden.chats.entries()) {
        if (!expected[i]) continue;
        const { ids, userStart, userEnd } = chat.render(after(it));
        assert.ok(0 <= userStart && userStart <= userEnd && userEnd <= ids.length);
        const text = (from: number, to?: number) => tokenizer.decode(ids.slice(from, to), { keepSpecial: true });
        const words = it.user.trim();
        const about = JSON.stringify([it, text(userStart, userEnd)]);
        if (/<\|strip\|>/.test(words)) continue;
        // What a token shares with the template are blanks, a new line, or a bracket.
        const flat = (part: string) => part.replaceAll(/[\s\ufffd\p{Cc}]+/gu, '');
        assert.ok(flat(text(userStart, userEnd)).includes(flat(words)), about);
        assert.ok(flat(text(userStart, userEnd)).length <= flat(words).length + 8, about);
        assert.ok(!text(0, userStart).includes(words) || words.length < 12 || it.system === it.user, about);
      }
    });
  }
}

test('a long text is encoded and rendered', () => {
  const tokenizer = openGoldenTokenizer('metaspace');
  const chat = openGoldenTemplate('metaspace', tokenizer, templateText('llama3'));
  const user = 'The iron gate opens with 4821. '.repeat(3000);
  const { ids, userStart, userEnd } = chat.render({ user });
  assert.equal(tokenizer.decode(ids.slice(userStart, userEnd)).trim(), user.trim());
  assert.equal(chat.answerIds('Yes', { after: { user } }).length, tokenizer.encode('\nYes').length - 1);
});
