"""The manifest is checked to the last key, and look-ups either succeed or help."""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsr_cli.errors import NsrError, UsageError, WeightsError, WriteError
from nsr_cli.files import write_atomic
from nsr_cli.shown import safe_text
from nsr_cli.weights import manifest as manifest_module
from nsr_cli.weights.entry import (
    BASELINES,
    PICKLES,
    TIERS,
    WeightEntry,
    check_name,
    check_new_name,
    parse_entry,
)
from nsr_cli.weights.manifest import Manifest, add_entry, load_manifest, parse_manifest

if TYPE_CHECKING:
    from tests.weights.conftest import MakeEntry

PLACE = "https://host/weights/manifest.json"


def is_safe(error: Exception) -> bool:
    return str(error) == safe_text(str(error))


def as_bytes(*entries: WeightEntry) -> bytes:
    return json.dumps({"schema": 1, "weights": [entry.as_json() for entry in entries]}).encode()


def test_the_projects_own_manifest_is_right() -> None:
    manifest = load_manifest()
    for entry in manifest.entries:
        assert manifest.get(entry.name) is entry


def test_round_trip(make_entry: "MakeEntry") -> None:
    entries = (
        make_entry(urls=("https://host/a", "weights/a.safetensors")),
        make_entry("denoise-gray-lite", task="denoise", scale=None, levels=(0.0, 75.0), color="gray"),
    )
    assert parse_manifest(as_bytes(*entries), PLACE).entries == entries


NOT_ADDRESSES = (
    "http://host/a",
    "file:///etc/passwd",
    "ftp://host/a",
    "//host/a",
    "/a",
    "../a",
    "a/../b",
    "C:/a",
    "https://",
    "https://user:pass@host/a",
    "https://host/a b",
    "https://host/\x1b",
    "https://[::1/a",
    "a\\b",
    "",
    3,
)
BAD_VALUES: dict[str, tuple[Any, ...]] = {
    "name": (
        "",
        "A",
        "../a",
        "/a",
        "a/b",
        "a\\b",
        "c:",
        "a\x00",
        "-a",
        ".a",
        "a.",
        "\u00e9",
        "con",
        "a" * 101,
        3,
        None,
    ),
    "file": (
        "../a.safetensors",
        "/a.safetensors",
        "C:\\a.safetensors",
        "\\\\host\\a.safetensors",
        "a.pth",
        "a\x00.safetensors",
        "nul.safetensors",
        "a b.safetensors",
        ["a.safetensors"],
    ),
    "task": ("sharpen", "", None, ["upscale"]),
    "scale": (1, 17, 2.0, "2", True, None, [2]),
    "levels": ([1], [2, 1], [0, 300], [True, 2], ["0", "1"], "ab", {}),
    "color": ("grey", "RGB", None),
    "window": (0, -48, 48.0, "48", False, None),
    "bytes": (0, -1, 1.5, "1", 1 << 40, True),
    "sha256": ("", "0" * 63, "G" * 64, "A" * 64, 0),
    "urls": ("https://host/a", *([address] for address in NOT_ADDRESSES)),
    "bundled": (0, 1, "true", None),
    "trained_on": ("two\nlines", "\x1b[31m", 3, "x" * 2001),
    "scores": ([], "38", None),
    "license": (None, "a\tb"),
    "preset": ("Sparse Plus", "../x", None),
}


@pytest.mark.promise(
    "Weights and data: names and addresses in a manifest that lead out of the cache or make no sense are refused, "
    "and named",
    count=sum(map(len, BAD_VALUES.values())),
)
@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD_VALUES.items() for value in values]
)
def test_bad_values_are_named(make_entry: "MakeEntry", key: str, value: object) -> None:
    content = {**make_entry().as_json(), key: value}
    with pytest.raises(WeightsError) as caught:
        parse_entry(content)
    assert key in str(caught.value)
    assert is_safe(caught.value)
    assert caught.value.exit_code == 4


def test_missing_and_unknown_keys(make_entry: "MakeEntry") -> None:
    whole = make_entry().as_json()
    for key in whole:
        with pytest.raises(WeightsError, match=key):
            parse_entry({name: value for name, value in whole.items() if name != key})
    with pytest.raises(WeightsError, match="unknown key surprise"):
        parse_entry({**whole, "surprise": 1})
    with pytest.raises(WeightsError, match="not an object"):
        parse_entry([whole])


def test_scale_and_levels_follow_the_task(make_entry: "MakeEntry") -> None:
    with pytest.raises(WeightsError, match="scale"):
        parse_entry(make_entry(task="denoise", levels=(0.0, 75.0)).as_json())
    with pytest.raises(WeightsError, match="levels"):
        parse_entry(make_entry(task="dejpeg", scale=None).as_json())


@pytest.mark.parametrize(
    ("data", "message"),
    (
        (b"", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[]", "must hold"),
        (b'{"schema": 1}', "must hold"),
        (b'{"schema": 1, "weights": [], "extra": 1}', "must hold"),
        (b'{"schema": 1, "schema": 1, "weights": []}', "twice"),
        (b'{"schema": 2, "weights": []}', "update nsr"),
        (b'{"schema": true, "weights": []}', "schema True"),
        (b'{"schema": 1, "weights": {}}', "not a list"),
        (b'{"schema": 1, "weights": [NaN]}', "NaN"),
        (b'{"schema": 1, "weights": [null]}', "not an object"),
        (b'{"schema": 1, "weights": ' + b"[" * 100_000, "damaged"),
        (b'{"schema": 1' + b"0" * 5000 + b', "weights": []}', "damaged"),
        (b" " * (5 << 20), "too long"),
    ),
)
def test_damaged_manifests(data: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        parse_manifest(data, PLACE)
    assert is_safe(caught.value)


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_give_a_manifest_or_one_line(data: bytes) -> None:
    with contextlib.suppress(NsrError):
        parse_manifest(data, PLACE)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
)
def test_any_value_for_any_key_is_accepted_or_refused(value: object) -> None:
    content = {
        "name": "a",
        "task": "upscale",
        "scale": 2,
        "levels": None,
        "color": "rgb",
        "preset": "wdsr",
        "window": 48,
        "file": "a.safetensors",
        "bytes": 1,
        "sha256": "0" * 64,
        "urls": [],
        "bundled": False,
        "trained_on": "",
        "scores": {},
        "license": "",
    }
    for key in content:
        with contextlib.suppress(NsrError):
            parse_entry({**content, key: value})


def test_double_names_and_files(make_entry: "MakeEntry") -> None:
    one = make_entry()
    with pytest.raises(WeightsError, match="name upscale-x2 appears twice"):
        parse_manifest(as_bytes(one, one), PLACE)
    with pytest.raises(WeightsError, match=r"file upscale-x2\.safetensors appears twice"):
        parse_manifest(as_bytes(one, make_entry("other", file=one.file)), PLACE)


def test_relative_addresses_follow_the_manifest(make_entry: "MakeEntry", tmp_path: Path) -> None:
    entry = make_entry(urls=("files/a.safetensors", "https://other/b"))
    assert Manifest((entry,), PLACE).addresses(entry) == (
        "https://host/weights/files/a.safetensors",
        "https://other/b",
    )
    path = tmp_path / "a folder" / "weights_manifest.json"
    path.parent.mkdir()
    path.write_bytes(as_bytes(entry))
    manifest = load_manifest(path)
    assert manifest.addresses(entry)[0] == (path.parent / "files" / "a.safetensors").as_uri()


def test_absent_and_unreadable_manifests(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no weights manifest"):
        load_manifest(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(WeightsError, match="damaged"):
        load_manifest(tmp_path / "bad.json")


@pytest.fixture
def manifest(make_entry: "MakeEntry") -> Manifest:
    noise = {"task": "denoise", "scale": None, "levels": (0.0, 75.0)}
    entries = [
        make_entry("upscale-x2-lite"),
        make_entry("upscale-x2"),
        make_entry("upscale-x3-lite", scale=3),
        make_entry("upscale-x2-soft"),
        make_entry("denoise-rgb", **noise),
        make_entry("denoise-gray", color="gray", **noise),
    ]
    return parse_manifest(as_bytes(*entries), PLACE)


def test_find(manifest: Manifest) -> None:
    assert manifest.find("upscale", 2).name == "upscale-x2"
    assert manifest.find("upscale", 2, tier="lite").name == "upscale-x2-lite"
    assert manifest.find("upscale", 3).name == "upscale-x3-lite"
    assert manifest.find("denoise").name == "denoise-rgb"
    assert manifest.find("denoise", color="gray").name == "denoise-gray"
    assert manifest.find("upscale", 2, color="gray").name == "upscale-x2"


def test_find_says_what_there_is(manifest: Manifest) -> None:
    with pytest.raises(WeightsError, match=r"upscale x5 \(rgb\).*upscale x2 \(rgb\), upscale x3 \(rgb\)"):
        manifest.find("upscale", 5)
    with pytest.raises(WeightsError, match="none for this task yet"):
        manifest.find("dejpeg")
    with pytest.raises(WeightsError, match=r"no base weights for upscale x3.*there are upscale-x2,"):
        manifest.find("upscale", 3, tier="base")
    with pytest.raises(UsageError, match="did you mean denoise"):
        manifest.find("denoize")
    with pytest.raises(UsageError, match="no color blue; it can be rgb, gray"):
        manifest.find("denoise", color="blue")


def test_get_suggests(manifest: Manifest) -> None:
    assert manifest.get("upscale-x2-soft").tier is None
    with pytest.raises(UsageError, match=r"did you mean upscale-x2\?"):
        manifest.get("upscale-x2-bas")
    with pytest.raises(UsageError, match="nsr weights list") as caught:
        manifest.get("\x1b[31m")
    assert is_safe(caught.value)


def test_resolve(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("base", "mine", "own.safetensors", "upscale-x2-lite"):
        Path(name).write_bytes(b"x")

    def resolved(model: str | None, task: str = "upscale", scale: int | None = 2) -> str:
        found = manifest.resolve(model, task, scale)
        return str(found) if isinstance(found, Path) else f"entry {found.name}"

    assert resolved(None) == "entry upscale-x2"
    assert resolved("base") == "entry upscale-x2"
    assert resolved("lite") == "entry upscale-x2-lite"
    assert resolved("upscale-x2-lite") == "entry upscale-x2-lite"
    assert resolved("upscale-x3-lite", scale=None) == "entry upscale-x3-lite"
    assert resolved("mine") == "mine"
    assert resolved("./base") == "base"
    assert resolved("own.safetensors") == "own.safetensors"
    assert resolved(str(tmp_path / "mine")) == str(tmp_path / "mine")


def test_a_manifest_is_parsed_once_for_many_pictures_but_again_once_it_changed(tmp_path: Path) -> None:
    """A dry run of 5,000 pictures asks for it 5,000 times: parsing took a quarter of its time."""
    path = tmp_path / manifest_module.MANIFEST_NAME
    path.write_bytes(manifest_module.manifest_path().read_bytes())
    first = load_manifest(path)
    assert load_manifest(path) is first
    path.write_text('{"schema": 1, "weights": []}')
    assert load_manifest(path).entries == ()


@pytest.mark.parametrize(
    ("model", "task", "message"),
    (
        ("none.safetensors", "upscale", "^none.safetensors: there is no such file; check --model"),
        ("./none", "upscale", "^none: there is no such file; check --model"),
        ("./", "upscale", "it is a folder; check --model"),
        ("/dev/null", "upscale", "a pipe or a device, and no file; check --model"),
        ("lit", "upscale", "did you mean lite"),
        ("denoise-rg", "denoise", "did you mean denoise-rgb"),
        ("denoise-rgb", "upscale", r"is for denoise \(rgb\), not for upscale x2"),
        ("upscale-x3-lite", "upscale", "is for upscale x3"),
        ("a\x00b", "upscale", "neither a model nor a file"),
        ("", "upscale", "^'' is neither a model nor a file"),
        ("n" * 5000, "upscale", "neither a model nor a file"),
    ),
)
def test_resolve_refuses(manifest: Manifest, model: str, task: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        manifest.resolve(model, task, 2)
    assert is_safe(caught.value)


@pytest.mark.parametrize(
    "name", [*TIERS, *BASELINES, "my.safetensors", *(f"x{end}" for end in sorted(PICKLES))]
)
def test_new_weights_get_no_name_by_which_nobody_finds_them(name: str) -> None:
    assert check_name(name) == name, "a manifest that has it stays readable"
    with pytest.raises(ValueError, match="--model"):
        check_new_name(name)
    assert check_new_name(f"{name}-own") == f"{name}-own"


def test_add_entry(make_entry: "MakeEntry", tmp_path: Path) -> None:
    path = tmp_path / "weights_manifest.json"
    add_entry(path, make_entry("b"))
    add_entry(path, make_entry("a"))
    first = path.read_bytes()
    add_entry(path, make_entry("b", b"newer"))
    assert [entry.name for entry in load_manifest(path).entries] == ["a", "b"]
    assert load_manifest(path).get("b") == make_entry("b", b"newer")
    add_entry(path, make_entry("b"))
    assert path.read_bytes() == first
    assert first.startswith(b'{\n  "schema": 1,\n  "weights": [\n    {\n      "name": "a",\n')
    assert first.endswith(b"\n")


def test_entries_that_are_added_at_the_same_time_are_all_there(
    make_entry: "MakeEntry", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path, data: bytes) -> None:
        time.sleep(0.02)  # what was read is old by then, if others may write meanwhile
        write_atomic(path, data)

    monkeypatch.setattr(manifest_module, "write_atomic", slow)
    path, names = tmp_path / "weights_manifest.json", [f"w{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(lambda name: add_entry(path, make_entry(name)), names))
    assert [entry.name for entry in load_manifest(path).entries] == names
    assert list(tmp_path.iterdir()) == [path], "no lock is left"


def test_add_entry_refuses_what_could_not_be_read_back(make_entry: "MakeEntry", tmp_path: Path) -> None:
    path = tmp_path / "weights_manifest.json"
    add_entry(path, make_entry("a"))
    before = path.read_bytes()
    for bad in (
        make_entry("b", file="../b.safetensors"),
        make_entry("b", file="a.safetensors"),
        make_entry("B"),
    ):
        with pytest.raises(WeightsError):
            add_entry(path, bad)
    with pytest.raises(WriteError):
        add_entry(tmp_path / "no" / "m.json", make_entry())
    (tmp_path / "circle.json").symlink_to("circle.json")
    with pytest.raises(WriteError, match="symbolic links form a loop"):
        add_entry(tmp_path / "circle.json", make_entry())
    assert path.read_bytes() == before


def test_no_heavy_library_is_imported() -> None:
    code = (
        "import sys; from nsr_cli.weights.store import WeightStore; WeightStore();"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'requests', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
