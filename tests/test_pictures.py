import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from headwise.errors import InputError
from headwise.picture_header import read_header
from headwise.pictures import BACKGROUND_GRAY, decode_picture, read_picture, upright

ORANGE = (200, 100, 50)


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def flat(mode: str = "RGB", colour: object = ORANGE, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new(mode, size, colour)


def noise(width: int = 400, height: int = 300) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_every_common_kind_decodes_to_rgb(form: str) -> None:
    picture = flat().quantize() if form == "GIF" else flat()
    image = decode_picture(encoded(picture, form), "it")
    assert image.shape == (30, 40, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - ORANGE).max() <= 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_the_header_knows_the_size_of_every_kind(form: str) -> None:
    header = read_header(encoded(flat().quantize() if form == "GIF" else flat(), form))
    assert (header.width_px, header.height_px) == (40, 30)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}])
@pytest.mark.parametrize("alpha", [True, False])
def test_the_header_of_every_webp_layout(options: dict[str, bool], alpha: bool) -> None:
    picture = flat("RGBA", (*ORANGE, 90)) if alpha else flat()
    header = read_header(encoded(picture, "WEBP", **options))
    assert (header.width_px, header.height_px, header.has_alpha) == (40, 30, alpha)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(form: str, orientation: int) -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :16] = (250, 0, 0)
    pixels[16:, :16] = (0, 250, 0)
    exif = Image.Exif()
    exif[0x112] = orientation
    data = encoded(Image.fromarray(pixels), form, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")).astype(int)
    image = decode_picture(data, "it")
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 3


def test_exif_orientation_holds_for_pictures_with_alpha() -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    assert decode_picture(encoded(flat("RGBA", (*ORANGE, 255)), "PNG", exif=exif), "it").shape == (40, 30, 3)


def test_orientation_6_turns_the_stored_top_left_corner_to_the_top_right() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 255
    assert upright(image, 6)[0, -1, 0] == 255


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_16_bits_map_the_full_range_to_the_full_range(ending: str) -> None:
    gray = np.array([[0, 257, 32896, 65535]], np.uint16).repeat(4, axis=0)
    data = cv2.imencode(ending, gray)[1].tobytes()
    assert decode_picture(data, "it")[0, :, 1].tolist() == pytest.approx([0, 1, 128, 255], abs=1)
    colour = np.stack([gray, gray // 2, gray // 4], axis=2)
    data = cv2.imencode(ending, colour[..., ::-1])[1].tobytes()
    assert decode_picture(data, "it")[0, 3].tolist() == pytest.approx([255, 128, 64], abs=1)


def test_16_bits_with_alpha() -> None:
    bgra = np.full((4, 4, 4), (50 * 257, 100 * 257, 200 * 257, 65535), np.uint16)
    assert decode_picture(cv2.imencode(".png", bgra)[1].tobytes(), "it")[0, 0].tolist() == list(ORANGE)


@pytest.mark.parametrize("adobe_inverted", [True, False])
def test_cmyk_jpeg_has_the_right_colours(adobe_inverted: bool) -> None:
    data = encoded(flat().convert("CMYK"), "JPEG", quality=95)
    if not adobe_inverted:
        marker = data.index(b"\xff\xee")
        length = int.from_bytes(data[marker + 2 : marker + 4], "big")
        data = data[:marker] + data[marker + 2 + length :]
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_picture(data, "it") - expected).max() <= 3


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (flat("L", 77), (77, 77, 77)),
        (flat("RGBA", (*ORANGE, 255)), ORANGE),
        (flat("RGBA", (*ORANGE, 0)), (BACKGROUND_GRAY,) * 3),
        (flat("LA", (28, 128)), (78, 78, 78)),
        (flat("1", 1), (255, 255, 255)),
    ],
)
def test_gray_and_alpha(picture: Image.Image, expected: tuple[int, ...]) -> None:
    assert decode_picture(encoded(picture, "PNG"), "it")[3, 3].tolist() == pytest.approx(expected, abs=1)


def test_palette_with_a_transparent_colour() -> None:
    palette = flat().quantize()
    data = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    assert decode_picture(data, "it")[0, 0].tolist() == [BACKGROUND_GRAY] * 3


def test_first_frame_of_an_animation() -> None:
    others = [flat(colour=(0, 0, 250)), flat(colour=(0, 250, 0))]
    for form in ("GIF", "WEBP"):
        data = encoded(flat(), form, save_all=True, append_images=others)
        assert np.abs(decode_picture(data, "it")[5, 5].astype(int) - ORANGE).max() <= 8


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tiff", ".bmp", ".gif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.98])
def test_a_cut_off_picture_is_an_error_and_never_half_gray(
    ending: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    data = cv2.imencode(ending, noise())[1].tobytes()
    with pytest.raises(InputError, match=r"holiday.*cut off"):
        decode_picture(data[: int(len(data) * share)], "holiday")
    if ending != ".gif":
        assert capfd.readouterr().err == ""


def test_a_cut_off_progressive_jpeg() -> None:
    data = cv2.imencode(".jpg", noise(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    with pytest.raises(InputError, match="cut off"):
        decode_picture(data[: len(data) * 2 // 3], "it")


def test_bytes_after_the_end_do_no_harm() -> None:
    for ending in (".jpg", ".png"):
        data = cv2.imencode(ending, noise())[1].tobytes() + b"trailing notes of a phone" * 9
        assert decode_picture(data, "it").shape == (300, 400, 3)


def png_header(width: int, height: int) -> bytes:
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))


def test_a_huge_picture_is_refused_by_its_header() -> None:
    with pytest.raises(InputError, match=r"big\.png: 50000 x 50000 pixels .* 250 megapixels"):
        decode_picture(png_header(50_000, 50_000), "big.png")


def test_the_limit_can_be_set() -> None:
    data = encoded(flat(), "PNG")
    assert decode_picture(data, "it", max_pixels=1200).shape == (30, 40, 3)
    with pytest.raises(InputError, match="40 x 30"):
        decode_picture(data, "it", max_pixels=1199)


def test_one_pixel_is_a_picture() -> None:
    for form in ("PNG", "JPEG", "WEBP", "BMP"):
        assert decode_picture(encoded(flat(size=(1, 1)), form), "it").shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello world, this is text", "not a picture"),
        (b"\xff\xd8\xff\xe0", "header .* damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n", "header .* damaged or cut off"),
        (png_header(0, 5) + b"x" * 20, "header"),
        (b"II*\x00\xff\xff\xff\x7f", "header"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 30, "HEIC pictures are not read"),
        (b"8BPS" + b"\x00" * 30, "Photoshop"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_each_failure_is_one_line_with_name_and_cause(data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=rf"^it: .*{why}") as caught:
        decode_picture(data, "it")
    assert "\n" not in str(caught.value)


def test_floating_point_pictures_are_refused_by_name() -> None:
    data = cv2.imencode(".tiff", np.full((4, 4, 3), 0.5, np.float32))[1].tobytes()
    with pytest.raises(InputError, match="floating-point"):
        decode_picture(data, "it")


def test_random_damage_gives_a_picture_or_an_input_error() -> None:
    rng = np.random.default_rng(1)
    for ending in (".jpg", ".png", ".webp", ".tiff", ".bmp"):
        good = cv2.imencode(ending, noise(40, 30))[1]
        for _ in range(25):
            bad = good.copy()
            bad[rng.integers(0, min(len(bad), 200), 3)] = rng.integers(0, 256, 3)
            with suppress(InputError):
                assert decode_picture(bad.tobytes(), "it", max_pixels=10**6).ndim == 3


def test_any_file_name_and_a_wrong_ending(tmp_path: Path) -> None:
    path = tmp_path / "Ünïcödé 顔 😀.jpg"
    path.write_bytes(encoded(flat(), "PNG"))
    assert read_picture(path)[0, 0].tolist() == list(ORANGE)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_picture(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="is a directory"):
        read_picture(tmp_path)
