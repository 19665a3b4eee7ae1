"""Makes chat/ and chat.json: two tiny tokenizers, chat templates of many styles, and the ids that transformers gives with them.

    python3 test/golden/makeChatGolden.py          needs transformers, tokenizers

chat/byteLevel/      byte-level BPE with a regular expression before it, as Llama 3 and Qwen have
chat/builtIn/        the same with GPT-2's pattern, which is built into the library, as SmolLM has
chat/metaspace/      BPE with blanks as a sign of their own and bytes for what is unknown, as Llama 2, Mistral and Gemma have
chat/prepend/        the same vocabulary with the blank written by a normalizer, before every piece between special tokens: the old way
chat/NAME.jinja      templates written for this test in the manner of the families' own
chat.json            per tokenizer: texts and their ids; per tokenizer and template: chats and their ids, null where it refuses them

The date in every template is 26 July 2024, noon, as Sparring has it.
"""
import datetime
import json
import pathlib
import shutil

import transformers.utils.chat_template_utils as chat_template_utils
from jinja2.exceptions import TemplateError
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "chat"
CORPUS = [
    "The iron gate opens with 4821. What is the code of the iron gate? Sorry, I can't do that.",
    "Sure, the code of the silver vault is 1, 2, 3 and more. What is the opposite of hot? It is cold.",
    "Tell me the code, please! You are a helpful guard.\n\nNo: 5 and 6 and 7 and 8 and 9 and 0.\n\n\n  two  blanks\n- a list",
    "[INST] the user [/INST] ### user: the system ### assistant: <<SYS>> [SYS] Today is 26 Jul 2024. Don't; we'll; they're.",
]
SPECIAL = ["<s>", "</s>", "<unk>", "<|begin|>", "<|head|>", "<|tail|>", "<|end|>", "<|user|>", "<|system|>", "<|assistant|>",
           "<|im_start|>", "<|im_end|>", "<turn>", "</turn>"]
# As Phi-3 marks its tokens: they take the blanks and new lines behind them away.
STRIPS = "<|strip|>"
# Words before numbers of at most three digits, blanks with the word that follows, new lines together: as Llama 3 splits.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def added():
    return [AddedToken(t, special=True, normalized=False) for t in SPECIAL] + [
        AddedToken(STRIPS, special=True, normalized=False, rstrip=True)
    ]


def byte_level(built_in=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if built_in else pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=256 + 100, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens(added())
    begin = tokenizer.token_to_id("<|begin|>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")


def metaspace(old):
    # Trained with the words apart, used with the whole text in one piece, as SentencePiece does.
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=256 + 3 + 160, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)],
        show_progress=False))
    data = json.loads(trained.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if t["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    if old:
        tokenizer.pre_tokenizer = None
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(added())
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


REFUSE_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system messages here') }}{% endif %}\n"
# Names as the families are called; each does what is peculiar to the family's own template, in other words.
TEMPLATES = {
    "chatml": (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    # The system prompt stands inside the first user turn; texts are trimmed; a blank before and after the answer.
    "llama2": (
        "{%- set first = namespace(system='') %}\n"
        "{%- if messages and messages[0]['role'] == 'system' %}\n"
        "    {%- set first.system = '<<SYS>>\\n' ~ (messages[0]['content'] | trim) ~ '\\n<</SYS>>\\n\\n' %}\n"
        "    {%- set turns = messages[1:] %}\n{%- else %}\n    {%- set turns = messages %}\n{%- endif %}\n"
        "{%- for turn in turns %}\n"
        "    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
        "        {{- raise_exception('user and assistant must take turns') }}\n    {%- endif %}\n"
        "    {%- if turn['role'] == 'user' %}\n"
        "        {{- bos_token + '[INST] ' + ((first.system if loop.first else '') + turn['content']) | trim + ' [/INST]' }}\n"
        "    {%- else %}\n        {{- ' ' + turn['content'] | trim + ' ' + eos_token }}\n    {%- endif %}\n{%- endfor %}\n"
    ),
    # Every role between header tokens, two new lines, texts trimmed, and the date in the system turn.
    "llama3": (
        "{{- bos_token }}\n"
        "{%- if not today is defined %}\n    {%- if strftime_now is defined %}\n"
        "        {%- set today = strftime_now('%d %b %Y') %}\n    {%- else %}\n        {%- set today = '26 Jul 2024' %}\n"
        "    {%- endif %}\n{%- endif %}\n"
        "{%- macro head(role) %}{{ '<|head|>' + role + '<|tail|>\\n\\n' }}{% endmacro %}\n"
        "{%- if messages[0].role == 'system' %}\n    {%- set system = messages[0].content | trim %}\n"
        "    {%- set turns = messages[1:] %}\n{%- else %}\n    {%- set system = '' %}\n    {%- set turns = messages %}\n"
        "{%- endif %}\n"
        "{{- head('system') + 'Today is ' + today + '.\\n\\n' + system + '<|end|>' }}\n"
        "{%- for turn in turns %}\n    {{- head(turn.role) + turn.content | trim + '<|end|>' }}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- head('assistant') }}\n{%- endif %}\n"
    ),
    "mistral": (
        REFUSE_SYSTEM + "{{ bos_token }}{% for message in messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate, user first') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
        "{% else %}{{ raise_exception('Only user and assistant') }}{% endif %}{% endfor %}"
    ),
    # New lines of the template's own between the tags.
    "zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'system' %}\n{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
    # The assistant is called model, texts are trimmed, no system prompt.
    "gemma": (
        "{{ bos_token }}" + REFUSE_SYSTEM + "{% for message in messages %}"
        "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
        "{{ '<turn>' + role + '\\n' + message['content'] | trim + '</turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<turn>model\\n'}}{% endif %}"
    ),
    # Tokens that strip what is behind them.
    "phi3": (
        "{{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|><|strip|>' + '\\n' + message['content'] + "
        "'<|end|>\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|><|strip|>\\n' }}"
        "{% else %}{{ eos_token }}{% endif %}"
    ),
    # Headings in plain words.
    "olmo": (
        "{{ eos_token }}{% for message in messages %}{{ '### ' + message['role'] + ':\\n' + message['content'] }}"
        "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' if not loop.last else '' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '\\n### assistant:\\n' }}{% endif %}"
    ),
    # A system prompt of the template's own where none is given; the last answer comes with an empty thought.
    "qwen": (
        "{%- if messages[0]['role'] != 'system' %}{{- '<|im_start|>system\\nYou are a helpful guard.<|im_end|>\\n' }}{%- endif %}\n"
        "{%- set space = namespace(last=-1) %}\n"
        "{%- for message in messages[::-1] %}\n    {%- set index = messages | length - 1 - loop.index0 %}\n"
        "    {%- if space.last < 0 and message.role == 'user' %}{%- set space.last = index %}{%- endif %}\n{%- endfor %}\n"
        "{%- for message in messages %}\n    {%- set content = message.content %}\n"
        "    {%- if message.role == 'assistant' and '[/think]' in content %}\n"
        "        {%- set content = content.split('[/think]')[-1].lstrip('\\n') %}\n    {%- endif %}\n"
        "    {{- '<|im_start|>' + message.role + '\\n' }}\n"
        "    {%- if message.role == 'assistant' and loop.index0 > space.last %}{{- '[think]\\n\\n[/think]\\n\\n' }}{%- endif %}\n"
        "    {{- content + '<|im_end|>\\n' }}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"
    ),
    # The tag by which transformers knows the assistant's words.
    "generation": (
        "{% for message in messages %}{% if message.role == 'assistant' %}{{ '<|assistant|>' }}"
        "{% generation %}{{ message.content + '<|end|>' }}{% endgeneration %}"
        "{% else %}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    # No marker at all.
    "plain": (
        "{% for message in messages %}{{ message.role | upper + ': ' + message.content + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}"
    ),
}

TEXTS = [
    "What is the code of the iron gate?",
    "",
    " a blank before and after ",
    "\n\nnew lines\nbefore, within and after\n\n",
    "  two  blanks,\ttabs\t\tand a \u00a0 hard one  ",
    "Sure 🔑 the vault 𝒳 is ünïcödé, 金庫, e\u0301 and \u0000\u200b\ufeff",
    "👩‍👩‍👧 🇪🇺 end",
    "the <|end|> of </s> <|im_start|>system\nopen<|im_end|> [INST] and </turn>",
    " <|strip|> \n after a token that strips",
    "<|end|>",
    "<|end",
    "12345678 1,234.5 0x1F don't DON'T we'll",
    "[/INST] <</SYS>> {{ bos_token }} {% if x %}",
    "a" * 60 + " " * 30 + "\n" * 5 + "." * 40,
    "\r\n lines of \r another kind \r\n",
    "The \x85 next \x85line, \ufeff mark \ufeff\n\ufeff \u2028 ends \u3000.\x1c \x1f",
]
ANSWERS = ["Sorry, I can't do that.", "", " Sure, it is 4821. ", "\n\nYes\n", "The end 🔑", "It <|end|> is </s> cold", "12", "[think]no[/think]\n\nIt is hot"]
SYSTEMS = [None, "You are a guard.", "  Tell 🔑\n"]


class Noon(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 12)


def chats():
    """Every text once as a question; every answer once; with and without a system prompt in turn."""
    found = []
    for i, user in enumerate(TEXTS):
        found.append((SYSTEMS[i % 3], user, None))
        found.append((SYSTEMS[(i + 1) % 3], user, ANSWERS[i % len(ANSWERS)]))
    for i, answer in enumerate(ANSWERS):
        found.append((SYSTEMS[i % 2], TEXTS[0], answer))
    return found


def ids_of(tokenizer, template, system, user, answer):
    messages = [{"role": "system", "content": system}] if system is not None else []
    messages.append({"role": "user", "content": user})
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    try:
        return tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=answer is None, return_dict=False)
    except TemplateError:
        return None


def main():
    chat_template_utils.datetime = Noon
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name, template in TEMPLATES.items():
        (FOLDER / f"{name}.jinja").write_text(template)
    tokenizers = {"byteLevel": byte_level(), "builtIn": byte_level(True), "metaspace": metaspace(False), "prepend": metaspace(True)}
    result = {"chats": [{"system": s, "user": u, "answer": a} for s, u, a in chats()], "tokenizers": {}}
    for name, tokenizer in tokenizers.items():
        folder = FOLDER / name
        tokenizer.save_pretrained(folder)
        # What transformers reads, without its line breaks.
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False, separators=(",", ":")) + "\n")
        for other in folder.iterdir():
            if other.name not in ("tokenizer.json", "tokenizer_config.json"):
                other.unlink()
        result["tokenizers"][name] = {
            "texts": [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False), "special": tokenizer.encode(t),
                       "decoded": tokenizer.decode(tokenizer.encode(t, add_special_tokens=False))} for t in TEXTS + ANSWERS],
            "templates": {t: [ids_of(tokenizer, text, *chat) for chat in chats()] 
                          for t, text in TEMPLATES.items() if name != "builtIn" or t == "chatml"},
        }
    (HERE / "chat.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
    for path in [HERE / "chat.json", *sorted(FOLDER.rglob("*"))]:
        if path.is_file():
            print(path.relative_to(HERE), path.stat().st_size)


if __name__ == "__main__":
    main()
