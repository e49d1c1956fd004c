import pytest

from webhook.cel.lexer import tokenize

KINDS = {
    "operators are the longest that match": ("a<=b!=c", "IDENTIFIER <= IDENTIFIER != IDENTIFIER"),
    "a number may not end in a dot": ("1.size()", "NUM_INT . IDENTIFIER ( )"),
    "a fraction may begin with a dot": ("a[.5]", "IDENTIFIER [ NUM_FLOAT ]"),
    "an exponent makes a double": ("1e3 1E-3", "NUM_FLOAT NUM_FLOAT"),
    "u makes a number unsigned": ("0x1Fu 12U", "NUM_UINT NUM_UINT"),
    "words of the language are tokens of their own": ("in true false null", "in true false null"),
    "a prefix makes a string raw": (r"r'\d' R'\d'", "STRING STRING"),
    "b makes bytes, also before a raw string": (r"b'a' br'\d'", "BYTES BYTES"),
    "r before b is a name": ("rb'a'", "IDENTIFIER STRING"),
    "three quotes span lines": ('"""a\n"b"""', "STRING"),
    "white space and comments are left out": (" a // b\n\t+ c // d", "IDENTIFIER + IDENTIFIER"),
    "backquotes enclose a name": ("a.`b-c/d`", "IDENTIFIER . ESC_IDENTIFIER"),
}


@pytest.mark.parametrize(("text", "kinds"), KINDS.values(), ids=KINDS)
def test_a_text_becomes_these_tokens(text: str, kinds: str) -> None:
    tokens = tokenize(text)
    assert " ".join(tokens.kinds) == f"{kinds} <EOF>"
    assert tokens.errors == []


ERRORS = {
    "one ampersand takes the next character with it": ("a & b", ["& "]),
    "an open string goes to the end": ("a == 'b", ["'b"]),
    "an unknown escape ends the token": (r"'\d'", ["'\\d", "'"]),
    "a line break ends a string": ("'a\nb'", ["'a\n", "'"]),
    "a character that nothing begins with": ("a @ b", ["@"]),
}


@pytest.mark.parametrize(("text", "pieces"), ERRORS.values(), ids=ERRORS)
def test_what_is_no_token_is_given_up_like_this(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in tokenize(text).errors] == pieces


def test_the_end_stands_behind_the_last_character() -> None:
    tokens = tokenize("a ")
    assert (tokens.starts[-1], tokens.ends[-1]) == (2, 2)
