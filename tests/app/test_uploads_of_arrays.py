"""Uploads of images, arrays and Excel workbooks: what becomes of them, and of those that are refused."""

import io
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from other_files import Day, archive, image, images, npy, npz, xlsx
from PIL import Image
from tiny_table import NPZ, XLSX, ZIP, assert_problem, rows_of, types_of

pytestmark = pytest.mark.slow  # many real children

CHANCE = np.random.default_rng(0)
GREY = CHANCE.integers(0, 256, (6, 5), np.uint8)
COLOURED = CHANCE.integers(0, 256, (6, 5, 3), np.uint8)


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory) -> Iterator[Any]:
    """One service for the whole module."""
    with start_service(tmp_path_factory.mktemp("arrays"), max_upload_bytes=3 << 20) as running:
        yield running


def upload(service, data: bytes, content_type: str, **params: object) -> Any:
    headers = {"Content-Type": content_type}
    return service.client.post("/v1/datasets", content=data, headers=headers, params=params)


def accepted(service, data: bytes, content_type: str, **params: object) -> tuple[dict[str, Any], list[Any]]:
    response = upload(service, data, content_type, **params)
    assert response.status_code == 201, response.text
    return response.json(), rows_of(service, response.json()["id"])


def shown(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(text))))


def test_images_in_folders(service) -> None:
    data = images({"set/cat": [GREY, 255 - GREY], "set/dog": [GREY // 2]})
    dataset, rows = accepted(service, data, ZIP)
    assert (types_of(dataset), dataset["format"]) == ({"image": "image", "label": "categorical"}, "zip")
    assert [row["label"] for row in rows] == ["cat", "cat", "dog"]
    for row, pixels in zip(rows, (GREY, 255 - GREY, GREY // 2), strict=True):
        assert np.array_equal(shown(row["image"]), pixels)
    column = dataset["columns"][0]
    pixels = np.concatenate([GREY, 255 - GREY, GREY // 2])
    assert (column["shape"], column["distinct"], column["missing"]) == ([6, 5, 1], 3, 0)
    assert (column["min"], column["max"]) == (pixels.min(), pixels.max())
    assert (column["mean"], column["std"]) == pytest.approx((pixels.mean(), pixels.std()))


def test_what_is_no_image_is_left_out_and_no_name_leaves_the_archive(service) -> None:
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO(
        archive(
            {
                "a/1.png": image(GREY),
                "a/notes.txt": b"x",
                "../outside.png": image(GREY),
                "/etc/absolute.png": image(GREY),
                "c:\\windows\\1.png": image(GREY),
                "__MACOSX/a/._1.png": b"?",
                "a/.hidden.png": b"?",
                "": b"?",
            }
        )
    )
    with zipfile.ZipFile(buffer, "a") as made:
        made.writestr(link, "/etc/passwd")
    before = service.files()
    dataset, rows = accepted(service, buffer.getvalue(), ZIP)
    assert [row["label"] for row in rows] == ["a"]
    [found] = [warning for warning in dataset["warnings"] if warning["code"] == "ignored_files"]
    assert "'../outside.png', '/etc/absolute.png', 'a/link.png' and 2 more" in found["detail"]
    assert len(service.files()) == len(before) + 1


def test_images_of_several_kinds_get_one_shape(service) -> None:
    """The most frequent size, colours if any image has them; transparent is white, 16 bits become 8."""
    clear = np.dstack([COLOURED, np.zeros((6, 5), np.uint8)])
    deep = image((GREY.astype(np.uint16) << 8) + 7)
    large = np.kron(GREY, np.ones((4, 4), np.uint8))
    files = {"a/1.png": image(COLOURED), "a/2.png": deep, "a/3.png": image(large), "a/4.png": image(clear)}
    _, rows = accepted(service, archive(files | {"a/5.JPEG": image(COLOURED, "JPEG")}), ZIP)
    first, second, third, fourth, fifth = (shown(row["image"]) for row in rows)
    assert np.array_equal(first, COLOURED)
    assert np.array_equal(second, np.dstack([GREY] * 3))
    assert third.shape == (6, 5, 3)
    assert (fourth == 255).all()
    assert fifth.shape == (6, 5, 3)


def test_an_image_is_turned_as_its_camera_says(service) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    data = archive({"a/1.jpg": image(np.full((8, 16), 9, np.uint8), "JPEG", exif=exif)})
    dataset, _ = accepted(service, data, ZIP)
    assert dataset["columns"][0]["shape"] == [16, 8, 1]


@pytest.mark.parametrize(
    ("side", "params", "shape"), [(300, {}, [224, 112, 1]), (300, {"image_size": 32}, [32, 32, 1])]
)
def test_large_images_are_made_smaller(service, side: int, params: dict[str, int], shape: list[int]) -> None:
    dataset, _ = accepted(service, images({"a": [np.zeros((side, side // 2), np.uint8)]}), ZIP, **params)
    assert dataset["columns"][0]["shape"] == shape


def test_images_without_folders_have_no_label(service) -> None:
    dataset, _ = accepted(service, archive({"1.png": image(GREY), "2.png": image(GREY)}), ZIP)
    assert types_of(dataset) == {"image": "image"}
    assert "duplicate_rows" in [warning["code"] for warning in dataset["warnings"]]


@pytest.mark.parametrize(
    ("arrays", "types", "first"),
    [
        (
            {"x": np.arange(6.0).reshape(3, 2), "y": np.array(["a", "b", "a"])},
            {"x0": "numeric", "x1": "numeric", "y": "categorical"},
            {"x0": 0, "x1": 1, "y": "a"},
        ),
        (
            {"X": np.asfortranarray(np.arange(24).reshape(3, 4, 2)), "y": np.array([1, 2, 3], ">i2")},
            {"x": "array", "y": "numeric"},
            {"x": [[0, 1], [2, 3], [4, 5], [6, 7]], "y": 1},
        ),
        ({"x": np.zeros((2, 257), np.float16)}, {"x": "array"}, {"x": [0.0] * 257}),
        (
            {"x": np.zeros((2, 40, 40), np.float32), "y": np.zeros((2, 2))},
            {"x": "array", "y0": "numeric", "y1": "numeric"},
            {"x": {"shape": [40, 40], "mean": 0, "min": 0, "max": 0}, "y0": 0, "y1": 0},
        ),
        ({"x": np.array([True, False])}, {"x": "boolean"}, {"x": True}),
    ],
)
def test_arrays(service, arrays: dict[str, Any], types: dict[str, str], first: dict[str, Any]) -> None:
    dataset, rows = accepted(service, npz(**arrays), NPZ)
    assert types_of(dataset) == types
    assert rows[0] == first


def test_arrays_of_bytes_are_images(service) -> None:
    for pixels in (np.stack([GREY, GREY // 2]), np.stack([COLOURED])):
        dataset, rows = accepted(service, npz(x=pixels), NPZ)
        assert types_of(dataset) == {"x": "image"}
        assert np.array_equal(shown(rows[0]["x"]), pixels[0])


def test_an_image_column_can_be_read_as_an_array_and_back(service) -> None:
    dataset, _ = accepted(service, npz(x=np.stack([GREY, GREY])), NPZ)
    url = f"/v1/datasets/{dataset['id']}"
    changed = service.client.patch(url, json={"columns": [{"name": "x", "type": "array"}]})
    assert types_of(changed.json()) == {"x": "array"}
    assert rows_of(service, dataset["id"])[0]["x"] == GREY[..., np.newaxis].tolist()
    refused = service.client.patch(url, json={"columns": [{"name": "x", "type": "categorical"}]})
    assert_problem(refused, 422, "invalid", "column 'x' cannot be categorical: it holds arrays")


def test_a_sheet_of_excel(service) -> None:
    first = [["when", "word", "n"], [Day(45000.5), "a", 1], [None, None, None], [Day(45001), "b", 2.5]]
    data = xlsx({"Data": first, "More & more": [["z"], [1]]})
    dataset, rows = accepted(service, data, XLSX)
    assert types_of(dataset) == {"when": "datetime", "word": "categorical", "n": "numeric"}
    assert rows == [
        {"when": "2023-03-15T12:00:00", "word": "a", "n": 1},
        {"when": "2023-03-16T00:00:00", "word": "b", "n": 2.5},
    ]
    assert accepted(service, data, XLSX, sheet="More & more")[1] == [{"z": 1}]


def big_header(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    return archive({"x.npy": npy(header, b"12345678")})


def bomb() -> bytes:
    return archive({"a/1.png": b"\0" * (2 << 20)})


def claimed(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its pixels do not have."""
    data = bytearray(image(GREY))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return archive({"a/1.png": with_checksum(bytes(data))})


def with_checksum(data: bytes) -> bytes:
    return data[:29] + zlib.crc32(data[12:29]).to_bytes(4, "big") + data[33:]


PICKLED = {"x": np.array([{"a": 1}, None], object)}
UNREADABLE = {
    "no zip": (ZIP, b"hello, this is no archive", "not a valid zip archive"),
    "empty": (ZIP, b"", "the body is empty"),
    "no image": (ZIP, archive({"a/x.txt": b"x"}), "holds no PNG or JPEG file"),
    "in no folder": (ZIP, archive({"a/1.png": image(GREY), "2.png": image(GREY)}), "'2.png' lies in no folder"),
    "no png": (ZIP, archive({"a/1.png": image(GREY), "b/2.png": b"x"}), "image 'b/2.png' cannot be used: it is no PNG"),
    "cut png": (ZIP, archive({"a/1.png": image(GREY)[:60]}), "'a/1.png' cannot be used: its pixels cannot be read"),
    "gif in disguise": (ZIP, archive({"a/1.png": image(GREY, "GIF")}), "'a/1.png' cannot be used: it is no PNG"),
    "bomb of pixels": (ZIP, claimed(60_000, 60_000), "it has 60000 x 60000 pixels, more than 16,777,216"),
    "bomb of zeros": (ZIP, bomb(), "'a/1.png' cannot be used: it is no PNG"),
    "too much": (ZIP, archive({"a/1.png": b"\0" * (4 << 20)}), "holds 4,194,304 bytes, decompressed; at most"),
    "cut zip": (ZIP, images({"a": [GREY]})[:-30], "not a valid zip archive"),
    "no npz": (NPZ, b"hello", "not a valid npz file"),
    "no x": (NPZ, npz(z=np.zeros(3)), "needs an array x, and y for a target; there is 'z'"),
    "pickled": (NPZ, npz(**PICKLED), "array x holds object"),
    "rows that differ": (NPZ, npz(x=np.zeros(3), y=np.zeros(4)), "x has 3 rows, but y has 4"),
    "a scalar": (NPZ, npz(x=np.float64(1)), "need an axis of rows"),
    "no values": (NPZ, npz(x=np.zeros((0, 3))), "is empty"),
    "complex": (NPZ, npz(x=np.zeros(3, complex)), "array x holds complex128"),
    "huge header": (NPZ, big_header("(4294967296,)"), "of 8 bytes each, but 8 bytes are there"),
    "absurd header": (NPZ, big_header("(" + "9" * 400 + ",)"), "but 8 bytes are there"),
    "negative header": (NPZ, big_header("(-1, -1)"), "but 8 bytes are there"),
    "code as a header": (NPZ, archive({"x.npy": npy("__import__('os')", b"")}), "array x is no .npy file"),
    "holes": (NPZ, npz(x=np.full((2, 3, 2), np.nan)), "a missing or infinite number in the array of row 1"),
    "no excel": (XLSX, b"hello", "not a valid Excel (.xlsx) file"),
    "another archive": (XLSX, archive({"a": b"x"}), "not a valid Excel (.xlsx) file"),
    "equal names": (XLSX, xlsx({"s": [["a", "a"], [1, 2]]}), "same name: 'a'"),
    "nameless": (XLSX, xlsx({"s": [["a", None, "c"], [1, 2, 3]]}), "column 2 of 3 has no name"),
    "header only": (XLSX, xlsx({"s": [["a", "b"]]}), "no rows"),
    "empty sheet": (XLSX, xlsx({"s": []}), "no rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_refused(service, case: str) -> None:
    content_type, data, sentence = UNREADABLE[case]
    before = service.files()
    assert_problem(upload(service, data, content_type), 422, "unreadable_file", sentence)
    assert service.files() == before


def test_what_an_option_is_not_for(service) -> None:
    problem = assert_problem(
        upload(service, npz(x=np.zeros(3)), NPZ, image_size=8),
        422,
        "invalid",
        "is for zip files, not for npz",
    )
    assert problem["errors"][0]["pointer"] == "/image_size"
    problem = assert_problem(
        upload(service, xlsx({"One": [["a"], [1]]}), XLSX, sheet="Two"),
        422,
        "unreadable_file",
        "there is no sheet 'Two'; there are 'One'",
    )
    assert problem["errors"][0]["pointer"] == "/sheet"


def test_nothing_is_unpickled(service) -> None:
    """Promise 23: a header that asks for a pickle is refused before its bytes are looked at."""
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    data = archive({"x.npy": npy(header, b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.")})
    assert_problem(upload(service, data, NPZ), 422, "unreadable_file", "array x holds object")
