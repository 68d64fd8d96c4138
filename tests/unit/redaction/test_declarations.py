"""The defaults that declarations give to secret names."""

from __future__ import annotations

import pytest

from honeytrace._redaction.secrets import without_secrets as clean

FOUND = [
    'password: str = field(default="#")',
    "password = field(repr=False, default='#')",
    "password: Optional[SecretStr] = Field(None, default='#')",
    'api_key: str | None = Field("#", alias="x")',
    'password = attr.ib(validator=[f(1), {"a": 2}], default="#")',
    "password = Column(String(50), nullable=False, default='#')",
    'os.getenv("DB_PASSWORD", default="#")',
    "SECRET_KEY = config(\n    'SECRET_KEY', default='#')",
    "parser.add_argument('--password', help='(a)', default='#')",
    '@click.option("--api-key", default="#")',
    'variable "db_password" {\n  type = string\n  sensitive = true\n  default = "#"\n}',
    '"DBPassword": {"Type": "String", "MinLength": {}, "Default": "#"}',
    'variable "db_password" { default = "#" }',
    '{"password": {"type": "string", "default": "#"}}',
    '"{\\"password\\": {\\"type\\": 1, \\"default\\": \\"#\\"}}"',
    "password: { type: String, validate: {}, default: '#' },",
]


@pytest.mark.parametrize("text", FOUND)
def test_a_default_is_replaced(text):
    """The name may be before the open bracket, or the first argument."""
    found = clean(text.replace("#", "hunter2"))
    before, _, after = text.partition("#")
    assert found.startswith(f"{before}[REDACTED:")
    assert found.endswith(f"]{after}")


LEFT = [
    'password = field(default="")',
    "password: str = field(default=None), city = field(default='hunter2')",
    "password = f(1); city = field(default='hunter2')",
    "f(password, city=field(default='hunter2'))",
    "f('city', default='hunter2')",
    "default='hunter2' of the password",
    "password = field(default='enter your password')",
    "password = field(default='${DB_PASSWORD}')",
    'variable "city" { default = "hunter2" }',
    "token = field(default='hello')",
    "AsyncSession = TypeVar('AsyncSession', default='AsyncWebSocketSession')",
    "x-default='password', password) default='hunter2'",
]


@pytest.mark.parametrize("text", LEFT)
def test_other_defaults_stay(text):
    """A default of another name, or one that is not secret."""
    assert clean(text) == text
