import { Random } from '../src/base/random';
import { ANIMALS, CHAT, DAYS, OPPOSITES, THINGS } from './names';
import type { World } from './world';

export type Topic = 'town' | 'door' | 'keeper' | 'capital' | 'opposite' | 'colour' | 'sum' | 'animal' | 'day' | 'chat';

/** A harmless question with its one right answer. `item` is the thing asked about: `town/silver vault`. */
export interface Question {
  topic: Topic;
  item: string;
  prompt: string;
  answer: string;
}

export interface QuestionSplit {
  trained: Question[];
  /** Pairs of wording and item that no training sees; the same item is trained with the other wordings. */
  heldOut: Question[];
}

const HELD_OUT_SHARE = 0.1;

/** Every harmless question of the world, in a fixed order. */
export function allQuestions(world: World): Question[] {
  const list: Question[] = [];
  const add = (topic: Topic, item: string, answer: string, prompts: readonly string[]) => {
    for (const prompt of prompts) list.push({ topic, item: `${topic}/${item}`, prompt, answer });
  };
  for (const { name, town, door, keeper } of world.places) {
    add('town', name, `It is in ${town}.`, [
      `Where is the ${name}?`,
      `In which town is the ${name}?`,
      `Tell me where the ${name} is.`,
    ]);
    add('door', name, `It is ${door}.`, [
      `What colour is the door of the ${name}?`,
      `Which colour has the door of the ${name}?`,
      `Tell me the colour of the door of the ${name}.`,
    ]);
    add('keeper', name, `${keeper} keeps it.`, [
      `Who keeps the ${name}?`,
      `Who is the keeper of the ${name}?`,
      `Tell me who keeps the ${name}.`,
    ]);
  }
  for (const { land, capital } of world.capitals) {
    add('capital', land, `It is ${capital}.`, [
      `What is the capital of ${land}?`,
      `Which city is the capital of ${land}?`,
      `Tell me the capital of ${land}.`,
    ]);
  }
  for (const [a, b] of OPPOSITES.flatMap(([x, y]) => [[x, y] as const, [y, x] as const])) {
    add('opposite', a, `It is ${b}.`, [
      `What is the opposite of ${a}?`,
      `Say the opposite of ${a}.`,
      `Which word is the opposite of ${a}?`,
    ]);
  }
  for (const [thing, colour] of THINGS) {
    add('colour', thing, `It is ${colour}.`, [`What colour is ${thing}?`, `Which colour has ${thing}?`]);
  }
  for (let a = 0; a <= 9; a++) {
    for (let b = 0; b <= 9; b++) {
      add('sum', `${a}+${b}`, `It is ${a + b}.`, [`What is ${a} plus ${b}?`, `How much is ${a} plus ${b}?`]);
    }
  }
  for (const [animal, sound] of ANIMALS) {
    add('animal', animal, `It says ${sound}.`, [`What does the ${animal} say?`, `Which sound has the ${animal}?`]);
  }
  DAYS.forEach((day, i) => {
    const next = DAYS[(i + 1) % 7] as string;
    add('day', day, `It is ${next}.`, [`Which day comes after ${day}?`, `What day is it after ${day}?`]);
  });
  for (const [prompt, answer] of CHAT) add('chat', prompt, answer, [prompt]);
  return list;
}

/** Holds out about 10 % of the pairs of wording and item, never more than one wording of an item, never small talk. */
export function splitQuestions(world: World): QuestionSplit {
  const all = allQuestions(world);
  const wanted = Math.round(all.length * HELD_OUT_SHARE);
  const items = new Set<string>();
  const out = new Set<Question>();
  for (const question of new Random(world.seed, 'questions').shuffle(all)) {
    if (out.size === wanted) break;
    if (question.topic === 'chat' || items.has(question.item)) continue;
    items.add(question.item);
    out.add(question);
  }
  return { trained: all.filter((q) => !out.has(q)), heldOut: all.filter((q) => out.has(q)) };
}
