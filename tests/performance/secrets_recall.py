"""Measure how much of other scanners' test material the redaction finds.

    python tests/performance/secrets_recall.py --gitleaks DIR --secretlint DIR --detect-secrets DIR

Each directory is a checkout of that project, or its bare Git repository. The material is read when
this runs, and never committed. A secret counts as found if it is not in the text that comes back.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

from honeytrace._redaction.secrets import without_secrets

Case = tuple[str, str, str]
"""The rule, the text, and the secret in it; without one, anything that changes counts."""

_RANDOM = random.Random(1)
_MANY = 3  # repetitions of what has no upper bound


class Source:
    """Reads files of a checkout, or of a bare repository."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._bare = (self._folder / "objects").is_dir()

    def _git(self, *words: str) -> bytes:
        command = ["git", f"--git-dir={self._folder}", *words]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def paths(self, pattern: str) -> list[str]:
        if self._bare:
            found = (
                self._git("-c", "core.quotePath=off", "ls-tree", "-r", "-z", "--name-only", "HEAD")
                .decode()
                .split("\0")
            )
        else:
            found = [
                str(path.relative_to(self._folder))
                for path in self._folder.rglob("*")
                if path.is_file()
            ]
        return [path for path in found if re.fullmatch(pattern, path)]

    def read(self, path: str) -> str:
        raw = (
            self._git("show", f"HEAD:{path}") if self._bare else (self._folder / path).read_bytes()
        )
        return raw.decode(errors="replace")


def sample(expression: str) -> str:
    """Return a random text that an expression matches."""
    return "".join(_sampled(parser.parse(expression)))


def _sampled(tree: object) -> Iterator[str]:
    for kind, value in tree:  # type: ignore[attr-defined]
        if kind is op.LITERAL:
            yield chr(value)
        elif kind is op.IN:
            yield _RANDOM.choice(_members(value))
        elif kind is op.ANY:
            yield _RANDOM.choice("abcXYZ789")
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, inner = value
            for _ in range(_RANDOM.randint(least, min(most, least + _MANY))):
                yield from _sampled(inner)
        elif kind is op.SUBPATTERN:
            yield from _sampled(value[3])
        elif kind is op.BRANCH:
            yield from _sampled(_RANDOM.choice(value[1]))


def _members(items: list[tuple[object, object]]) -> str:
    found = ""
    for kind, value in items:
        if kind is op.LITERAL:
            found += chr(value)  # type: ignore[arg-type]
        elif kind is op.RANGE:
            found += "".join(map(chr, range(value[0], value[1] + 1)))  # type: ignore[index]
        elif kind is op.CATEGORY:
            name = str(value)
            found += "0123456789" if "DIGIT" in name else "abcXYZ789_" if "WORD" in name else " "
        elif kind is op.NEGATE:
            return "qwertyQWERTY123"
    return found


def python(expression: str) -> str:
    """Return a Go expression as Python understands it: flags in the middle become groups."""
    expression = expression.replace("[[:alnum:]]", "[A-Za-z0-9]").replace(r"\z", r"\Z")
    out, stack, index = "", [0], 0
    while index < len(expression):
        if expression.startswith("\\", index):
            out += expression[index : index + 2]
            index += 2
        elif expression.startswith("[", index):
            end = re.compile(r"\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]").match(expression, index)
            assert end
            out += end[0]
            index = end.end()
        elif flag := re.compile(r"\(\?(-?[ims]+)\)").match(expression, index):
            out += f"(?{flag[1]}:"
            stack[-1] += 1
            index = flag.end()
        elif expression[index] == "(":
            stack.append(0)
            out += "("
            index += 1
        elif expression[index] == ")":
            out += ")" * (stack.pop() + 1)
            index += 1
        else:
            out += expression[index]
            index += 1
    return out + ")" * stack[0]


_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<raw>`[^`]*`)|(?P<text>"(?:\\.|[^"\\])*")|(?P<name>[\w.]+)|(?P<sign>\.\.\.|[^\w\s])""",
    re.DOTALL,
)


class Go:
    """Evaluates the few expressions that the rules of gitleaks are made of."""

    def __init__(self, template: str, templates: list[str]) -> None:
        self._one, self._all = template, templates

    def tokens(self, source: str) -> list[str]:
        return [match[0] for match in _TOKEN.finditer(source) if match.lastgroup]

    def value(self, tokens: list[str], names: dict[str, object]) -> object:
        """Evaluate one expression from the front of the tokens."""
        left = self._term(tokens, names)
        while tokens and tokens[0] == "+":
            tokens.pop(0)
            right = self._term(tokens, names)
            left = str(left) + str(right)
        return left

    def _term(self, tokens: list[str], names: dict[str, object]) -> object:
        token = tokens.pop(0)
        if token[0] == "`":
            return token[1:-1]
        if token[0] == '"':
            return ast.literal_eval(token) if "\\/" not in token else token[1:-1]
        if token == "[" and tokens[:2] == ["]", "string"]:
            del tokens[:2]
            return self._list(tokens, names, "{", "}")
        if token == "map":
            del tokens[: tokens.index("{")]
            items = self._list(tokens, names, "{", "}")
            return items[1::2]
        if tokens and tokens[0] == "(":
            return self._call(token, self._list(tokens, names, "(", ")"))
        if token in names:
            return names[token]
        raise ValueError(token)

    def _list(
        self, tokens: list[str], names: dict[str, object], first: str, last: str
    ) -> list[object]:
        assert tokens.pop(0) == first
        values: list[object] = []
        while tokens[0] != last:
            if tokens[0] in (",", ":"):
                tokens.pop(0)
            elif tokens[0] == "...":
                tokens.pop(0)
                spread = values.pop()
                assert isinstance(spread, list)
                values += spread
            else:
                values.append(self.value(tokens, names))
        tokens.pop(0)
        return values

    def _call(self, name: str, given: list[object]) -> object:
        name = name.rpartition(".")[2]
        alphabets = {
            "Numeric": "[0-9]",
            "Hex": "[a-f0-9]",
            "AlphaNumeric": "[a-z0-9]",
            "AlphaNumericExtendedShort": "[a-z0-9_-]",
            "AlphaNumericExtended": r"[a-z0-9=_\-]",
            "AlphaNumericExtendedLong": r"[a-z0-9\/=_\+\-]",
        }
        if name in alphabets:
            return f"{alphabets[name]}{{{given[0]}}}"
        if name == "Hex8_4_4_4_12":
            return "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        if name == "NewSecret":
            return sample(python(str(given[0])))
        if name == "MustCompile":
            return given[0]
        if name == "GenerateUniqueTokenRegex":
            return f"{'(?i)' if given[-1] == 'true' else ''}\\b({given[0]})"
        if name == "GenerateSemiGenericRegex":
            return f"(?i)[=>:|,\\x60'\"\\s]({given[-2]})(?:[\\x60'\"\\s;]|\\\\[nr]|$)"
        if name == "GenerateSampleSecret":
            return self._one.format(*given)
        if name == "GenerateSampleSecrets":
            identifier, secret = map(str, given)
            return [
                text.replace("{i}", identifier)
                .replace("{I}", identifier.upper())
                .replace("{s}", secret)
                for text in self._all
            ]
        if name == "append":
            return given
        if name == "Sprintf":
            return re.sub("%[sv]", "{}", str(given[0])).format(*given[1:])
        if name == "EncodeToString":
            import base64

            return base64.b64encode(str(given[0]).encode()).decode()
        if name == "byte":
            return given[0]
        if name == "ToUpper":
            return str(given[0]).upper()
        raise ValueError(name)


def gitleaks(source: Source) -> Iterator[Case]:
    """Yield the true positives of the rules of gitleaks."""
    utils = source.read("cmd/generate/config/utils/generate.go")
    body = utils[utils.index("samples :=") :]
    names = {"true": "true", "false": "false"}
    reader = Go("", [])
    templates = []
    for line in body.splitlines():
        match = re.match(r'\s*"[^"]+":\s*(`[^`]*`|"(?:\\.|[^"\\])*"),', line)
        if match:
            templates.append(str(reader.value(reader.tokens(match[1]), dict(names))))
    # A value may go over several lines only in double quotes, so one line a sample is enough.
    reader = Go('{}_api_token = "{}"', templates)
    for path in source.paths(r"cmd/generate/config/rules/\w+\.go"):
        text = source.read(path)
        for function in re.split(r"\nfunc ", text)[1:]:
            yield from _rule_cases(reader, path, function, dict(names))


def _rule_cases(reader: Go, path: str, function: str, names: dict[str, object]) -> Iterator[Case]:
    rule = re.search(r'RuleID:\s*"([^"]+)"', function)
    expression = re.search(r"Regex:\s*", function)
    pattern = None
    if rule and expression:
        try:
            pattern = re.compile(
                python(str(reader.value(reader.tokens(function[expression.end() :]), dict(names)))),
                re.MULTILINE,
            )
        except (ValueError, re.error, AssertionError, IndexError):
            pattern = None
    label = rule[1] if rule else Path(path).stem
    for assignment in re.finditer(r"(?m)^\s*(\w+)\s*:?=\s*", function):
        try:
            value = reader.value(reader.tokens(function[assignment.end() :]), names)
        except (ValueError, AssertionError, IndexError, SyntaxError):
            if assignment[1] == "tps":
                SKIPPED[label] += 1
            continue
        names[assignment[1]] = value
        if assignment[1] == "tps":
            found = (
                value[1:]
                if isinstance(value, list)
                and value
                and isinstance(value[0], list)
                and "append" in function[assignment.end() : assignment.end() + 8]
                else value
            )
            for text in _flat(found):
                yield label, text, _secret(pattern, text)


SKIPPED: Counter[str] = Counter()


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield str(value)


def _secret(pattern: re.Pattern[str] | None, text: str) -> str:
    match = pattern.search(text) if pattern else None
    if match is None:
        return ""
    groups = [group for group in match.groups() if group]
    return groups[0] if groups else match[0]


NOT_SECRETS = ("preset", "filter", "example", "no-", "pattern")
"""Rules of secretlint that repeat others, or look for something else."""

PLUGINS_NOT_SECRETS = ("ip_public", "high_entropy")
"""Plugins of detect-secrets that look for something else."""


def secretlint(source: Source) -> Iterator[Case]:
    """Yield what the snapshots of secretlint say was found."""
    for path in source.paths(
        r"packages/@secretlint/secretlint-rule-[\w-]+/test/snapshots/.*/output\.json"
    ):
        found = json.loads(source.read(path))
        rule = path.split("/")[2].removeprefix("secretlint-rule-")
        if rule.startswith(NOT_SECRETS):
            continue
        for message in found.get("messages", []):
            start, end = message["range"]
            data = message.get("data", {})
            text = found.get("sourceContent") or source.read(_input(source, path))
            if not text.isprintable() and "\ufffd" in text:
                SKIPPED[f"{rule}, not a text"] += 1  # PKCS #12, say; no session holds its bytes
                continue
            secret = next(
                (
                    str(value)
                    for value in data.values()
                    if str(value) in text and len(str(value)) > 3
                ),
                text[start:end],
            )
            yield rule, text, secret


def _input(source: Source, path: str) -> str:
    folder = path.rpartition("/")[0]
    return next(p for p in source.paths(re.escape(folder) + r"/input.*"))


def detect_secrets(source: Source) -> Iterator[Case]:
    """Yield the lines that the plugins of detect-secrets have to flag."""
    for path in source.paths(r"tests/plugins/\w+_test\.py"):
        if Path(path).stem.startswith(PLUGINS_NOT_SECRETS):
            continue
        tree = ast.parse(source.read(path))
        names: dict[str, object] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                try:
                    names[node.targets[0].id] = eval(
                        compile(ast.Expression(node.value), path, "eval"),
                        {"base64": __import__("base64"), "randint": lambda a, b: 4, "str": str},
                        names,
                    )
                except Exception:
                    continue
        label = Path(path).stem
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple) and len(node.elts) >= 2:
                try:
                    value = eval(compile(ast.Expression(node), path, "eval"), {}, dict(names))
                except Exception:
                    continue
                text, flagged = value[0], value[1]
                if not isinstance(text, str) or text.isidentifier():
                    continue
                if flagged is True or (isinstance(flagged, str) and flagged and flagged in text):
                    yield label, text, flagged if isinstance(flagged, str) else ""


READERS: dict[str, Callable[[Source], Iterator[Case]]] = {
    "gitleaks": gitleaks,
    "secretlint": secretlint,
    "detect-secrets": detect_secrets,
}


def found(text: str, secret: str) -> bool:
    """Return whether the redaction takes a secret out of a text."""
    clean = without_secrets(text)
    return clean != text and (not secret or secret not in clean)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name in READERS:
        options.add_argument(f"--{name}")
    options.add_argument("--missed", action="store_true", help="print what was not found")
    given = vars(options.parse_args())
    for name, cases in READERS.items():
        folder = given[name.replace("-", "_")]
        if folder:
            total = hits = 0
            missed: Counter[str] = Counter()
            for rule, text, secret in cases(Source(folder)):
                total += 1
                if found(text, secret):
                    hits += 1
                else:
                    missed[rule] += 1
                    if given["missed"]:
                        print(f"{rule}: {text[:300]!r} ({secret[:60]!r})", file=sys.stderr)
            share = hits / max(total, 1)
            print(f"{name}: {hits} of {total} = {share:.1%}; missed {dict(missed)}")
    if SKIPPED:
        print(f"not evaluated: {dict(SKIPPED)}")


if __name__ == "__main__":
    main()
