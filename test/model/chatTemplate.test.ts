import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { encodeAnswer, makeChatTemplate, renderChat } from '../../src/model/chatTemplate';
import { openModel, openTokenizer } from '../../src/model/openModel';
import { biasedFolder, goldenModels, startTestEngine, tinyFolder } from './golden';

before(startTestEngine);

for (const { name, folder, expected } of goldenModels) {
  test(`texts and chats become the ids that transformers gives (${name})`, () => {
    const { tokenizer, chat } = openTokenizer(folder);
    for (const { text, ids, special } of expected.texts) {
      assert.deepEqual(tokenizer.encode(text), ids);
      assert.deepEqual(tokenizer.encode(text, { special: true }), special);
      assert.equal(tokenizer.decode(ids, { keepSpecial: true }), text);
    }
    assert.equal(tokenizer.decode([0, ...tokenizer.encode('No: 5'), 1]), 'No: 5');
    for (const { messages, open, ids } of expected.chats) {
      if (open) assert.deepEqual(chat.prompt(messages), ids);
      else {
        const asked = messages.slice(0, -1);
        const answer = messages.at(-1)!.content;
        // Prompt and answer, rendered apart, join to what the template writes of the whole.
        assert.deepEqual([...chat.prompt(asked), ...chat.answerIds(answer)], ids);
        assert.equal(ids.at(-1), chat.endId);
      }
    }
  });
}

test("the user's words are found exactly", async () => {
  const tiny = await openModel(tinyFolder);
  const words = ({ ids, userStart, userEnd }: ReturnType<typeof renderChat>) =>
    tiny.tokenizer.decode(ids.slice(userStart, userEnd), { keepSpecial: true });
  const user = ' What is 1 and 2?';
  const plain = renderChat(tiny, { user });
  assert.equal(words(plain), user);
  assert.equal(plain.userStart, 2);
  assert.equal(plain.ids.length - plain.userEnd, 2);
  assert.equal(words(renderChat(tiny, { system: 'You are a guard.', user: 'You are a guard.' })), 'You are a guard.');
  assert.equal(words(renderChat(tiny, { user: '' })), '');
  const odd = 'the <|end|> of SPARRINGUSER';
  const { ids: all, userStart: from, userEnd: to } = renderChat(tiny, { user: odd });
  assert.deepEqual(all.slice(from, to), tiny.tokenizer.encode(odd));
  tiny.close();
  // Plain words as markers: the text is trimmed, and its first token holds the blank of the template.
  const { tokenizer, chat } = openTokenizer(biasedFolder);
  const { ids, userStart, userEnd } = chat.render({ user });
  assert.equal(tokenizer.decode(ids.slice(userStart, userEnd)), user);
  assert.equal(tokenizer.decode(ids.slice(userEnd)), ' then:');
});

test('an answer ends with the end marker unless it is a prefill', async () => {
  const tiny = await openModel(tinyFolder);
  const ids = tiny.tokenizer.encode('Sure, the code');
  assert.deepEqual(encodeAnswer(tiny, 'Sure, the code'), [...ids, 1]);
  assert.deepEqual(encodeAnswer(tiny, 'Sure, the code', { end: false }), ids);
  tiny.close();
});

test('what a template cannot do is one problem that says so', () => {
  const { tokenizer, chat } = openTokenizer(biasedFolder);
  const problem = (says: RegExp) => (error: unknown) =>
    error instanceof Problem && error.data.code === 'chatTemplate' && says.test(error.message);
  assert.throws(() => chat.render({ system: 'Be good.', user: 'Hello' }), problem(/no system prompt/));
  const make = (template?: string, eosIds: number[] = [1]) =>
    makeChatTemplate({ template, file: 'x', tokenizer, tokens: {}, eosIds });
  assert.equal(make().hasTemplate, false);
  assert.throws(() => make().prompt([{ role: 'user', content: 'a' }]), problem(/no chat template/));
  assert.throws(() => make('{% for %}'), problem(/Jinja/));
  assert.throws(() => make('No words.').render({ user: 'a' }), problem(/in one piece/));
  const bare = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}";
  assert.throws(() => make(bare, []).endId, problem(/no end marker/));
  // No marker of its own: the model's end token takes its place.
  assert.equal(make(bare).endId, 1);
  assert.equal(make(bare).answerIds('No').at(-1), 1);
});

test('a template that prints the date prints the same one every day', () => {
  const { tokenizer } = openTokenizer(biasedFolder);
  const template = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}";
  const chat = makeChatTemplate({ template, file: 'x', tokenizer, tokens: {}, eosIds: [1] });
  assert.deepEqual(chat.prompt([{ role: 'user', content: 'No' }]), tokenizer.encode('26 Jul 2024No<|end|>'));
});
