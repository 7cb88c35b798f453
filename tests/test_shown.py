"""No file name can disturb a terminal, and counts have their plural."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsr_cli.shown import counted, did_you_mean, safe_text


@pytest.mark.parametrize(
    ("raw", "shown"),
    (
        ("plain name (1) [red].png", "plain name (1) [red].png"),
        ("caf\u00e9 \u65e5\u672c \U0001f33f.png", "caf\u00e9 \u65e5\u672c \U0001f33f.png"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred\x07\x9b", "\\x1b[31mred\\x07\\x9b"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("\ud800 lone", "\\ud800 lone"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("line\u2028sep\u0085", "line\\u2028sep\\x85"),
        ("\x00", "\\x00"),
    ),
)
def test_safe_text(raw: str, shown: str) -> None:
    assert safe_text(raw) == shown


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_safe_text_is_one_printable_encodable_line(text: str) -> None:
    shown = safe_text(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not {"\x1b", "\x9b"} & set(shown)


def test_safe_text_takes_paths() -> None:
    assert safe_text(Path("a\nb")) == "a\\nb"


def test_a_typing_error_is_recognized_whatever_its_case() -> None:
    assert did_you_mean("URBAN10", ["Set5", "Urban100"]) == "; did you mean Urban100?"
    assert did_you_mean("photos", ["Set5", "Urban100"]) == ""


def test_counts_have_their_plural() -> None:
    assert [counted(count, "row") for count in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted(count, "patch", "patches") for count in (1, 2)] == ["1 patch", "2 patches"]
