"""Image folders: modes, sizes, labels, broken files. Every file is made here."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.contents import DataOptions
from quasistatic.data.load import load
from quasistatic.data.source import images


def ramp(height, width, channels=3):
    pixels = np.arange(height * width * channels) * 7 % 256
    return pixels.reshape(height, width, channels).astype(np.uint8)


def save(path, pixels, mode=None, **known):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **known)


def everything(dataset):
    return dataset.batch(torch.arange(len(dataset)))


def test_a_folder_is_read_in_order_with_sub_folders_as_labels(tmp_path):
    for place, name in enumerate(
        ["cat/a.png", "cat/deep/b.PNG", "dog/c.bmp", "dog/d.tif", "dog/.hidden.png", ".git/e.png"]
    ):
        save(tmp_path / name, np.full((4, 5, 3), place, dtype=np.uint8))
    (tmp_path / "readme.txt").write_text("not an image")
    data = load(tmp_path)
    assert data.name == tmp_path.name
    assert data.ids == ["cat/a.png", "cat/deep/b.PNG", "dog/c.bmp", "dog/d.tif"]
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert (data.shape, data.dtype, data.notes) == ((3, 4, 5), torch.uint8, ())
    assert everything(data)[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_a_lone_folder_is_stepped_into(tmp_path):
    for name in ["train/cat/a.png", "train/dog/b.png"]:
        save(tmp_path / name, ramp(2, 2))
    assert load(tmp_path).classes == ("cat", "dog")
    assert load(tmp_path / "train" / "cat").labels is None


def test_images_beside_the_class_folders_leave_no_labels(tmp_path):
    for name in ["cat/a.png", "b.png"]:
        save(tmp_path / name, ramp(2, 2))
    data = load(tmp_path)
    assert (data.labels, data.classes) == (None, ())
    assert data.notes == ("no labels, because some images lie beside the sub-folders (1)",)


def test_a_folder_that_links_to_itself_ends(tmp_path):
    save(tmp_path / "cat" / "a.png", ramp(2, 2))
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert load(tmp_path).ids == ["cat/a.png"]


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp", "gif"])
def test_grey_pixels_survive_every_lossless_format(tmp_path, ending):
    pixels = ramp(6, 9, 1)
    save(tmp_path / f"a.{ending}", pixels, **({"lossless": True} if ending == "webp" else {}))
    assert torch.equal(load(tmp_path, channels=1).batch(torch.tensor([0]))[0, 0], torch.from_numpy(pixels[..., 0]))


def test_black_and_white_images_have_two_levels(tmp_path):
    save(tmp_path / "a.png", ramp(8, 8, 1), "1")
    data = load(tmp_path)
    assert data.shape == (1, 8, 8)
    assert data.codec == LevelsCodec(0, 255, 2)


def test_grey_stays_grey_unless_one_image_has_colour(tmp_path):
    save(tmp_path / "a.png", ramp(3, 3, 1))
    save(tmp_path / "b.png", np.dstack([ramp(3, 3, 1), np.full((3, 3, 1), 255, dtype=np.uint8)])[..., :2])
    assert load(tmp_path).shape == (1, 3, 3)
    save(tmp_path / "c.png", ramp(3, 3))
    data = load(tmp_path)
    assert data.shape == (3, 3, 3)
    assert "grey repeated to colour: 2 images" in data.notes


def test_colour_becomes_grey_on_request(tmp_path):
    save(tmp_path / "a.png", np.full((2, 2, 3), 77, dtype=np.uint8))
    data = load(tmp_path, channels=1)
    assert (everything(data) == 77).all()
    assert data.notes == ("colour converted to grey: 1 image",)


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16))
    data = load(tmp_path)
    assert everything(data).flatten().tolist() == [0, 1, 128, 255]
    assert data.notes == ("16-bit grey scaled to 8 bits: 1 image",)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_over_white(tmp_path, mode):
    known = {}
    if mode == "P":
        image = Image.new("P", (2, 1), 0)
        image.putpalette([200, 0, 0, 0, 0, 100])
        image.putpixel((1, 0), 1)
        known["transparency"] = 1
        expected = [[200, 0, 0], [255, 255, 255]]
    else:
        image = Image.new(mode, (2, 1), (100, 255) if mode == "LA" else (100, 100, 100, 255))
        image.putpixel((1, 0), (100, 0) if mode == "LA" else (100, 100, 100, 0))
        expected = [[100] * 3, [255] * 3]
    image.save(tmp_path / "a.png", **known)
    data = load(tmp_path, channels=3)
    assert everything(data)[0, :, 0].T.tolist() == expected
    assert "transparency composited over white: 1 image" in data.notes


def test_half_transparency_is_half_white(tmp_path):
    Image.new("RGBA", (1, 1), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert everything(load(tmp_path)).flatten().tolist() == [127] * 3


def test_four_channels_keep_transparency(tmp_path):
    pixels = ramp(3, 4, 4)
    save(tmp_path / "a.png", pixels)
    data = load(tmp_path, channels=4)
    assert torch.equal(everything(data)[0], torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    assert data.notes == ()


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("RGB", (8, 8), (200, 60, 30)).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    data = load(tmp_path)
    colour = everything(data).float().mean((0, 2, 3))
    torch.testing.assert_close(colour, torch.tensor([200.0, 60.0, 30.0]), atol=3, rtol=0)  # JPEG's rounding
    assert data.notes == ("CMYK converted to RGB: 1 image",)


@pytest.mark.parametrize(("ending", "orientation"), [("tif", 6), ("png", 6), ("png", 3), ("jpg", 8)])
def test_photographs_are_turned_upright(tmp_path, ending, orientation):
    """Three of four quarter turns, as a camera notes them, undone by numpy."""
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / f"a.{ending}", pixels, exif=exif)
    data = load(tmp_path)
    upright = np.rot90(pixels, {3: 2, 6: 3, 8: 1}[orientation])
    assert data.shape[1:] == upright.shape[:2]
    difference = everything(data)[0].permute(1, 2, 0).float() - torch.from_numpy(upright.copy()).float()
    assert difference.abs().mean() < 2
    assert data.notes == ("turned upright as EXIF says: 1 image",)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("L", (3, 3), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    data = load(tmp_path, channels=1)
    assert (everything(data) == 10).all()
    assert "only the first frame is used: 1 image" in data.notes


def test_images_of_several_sizes_need_one(tmp_path):
    for place, shape in enumerate([(4, 5), (4, 5), (6, 4), (7, 7)]):
        save(tmp_path / f"{place}.png", ramp(*shape))
    with pytest.raises(ValueError, match=r"got 3 sizes .* the commonest 4×5 \(2\)") as error:
        load(tmp_path)
    assert "--set data.size=" in str(error.value)


@pytest.mark.parametrize(("size", "shape"), [(4, (3, 4, 4)), ((6, 3), (3, 6, 3)), ([3, 6], (3, 3, 6))])
def test_images_are_resized_to_cover_the_size_and_cropped(tmp_path, size, shape):
    save(tmp_path / "wide.png", np.full((8, 40, 3), 9, dtype=np.uint8))
    save(tmp_path / "tall.png", np.full((24, 5, 3), 9, dtype=np.uint8))
    data = load(tmp_path, size=size)
    assert data.shape == shape
    assert (everything(data) == 9).all()
    assert data.notes == ("resized to cover the size and cropped at the centre: 2 images",)


def test_the_centre_is_kept(tmp_path):
    pixels = np.zeros((10, 30, 1), dtype=np.uint8)
    pixels[:, 10:20] = 255
    save(tmp_path / "a.png", pixels)
    assert (everything(load(tmp_path, size=10)) == 255).all()


def test_resizing_is_antialiased(tmp_path):
    """A one-pixel checkerboard has mean 127.5; taking single pixels would give 0 or 255."""
    save(tmp_path / "a.png", (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))
    shrunk = everything(load(tmp_path, size=8)).float()
    assert (shrunk - 127.5).abs().max() < 10


def broken(folder, good=60):
    for place in range(good):
        save(folder / f"good{place:02}.png", ramp(4, 4))
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("this is no image")
    whole = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(whole, "png")
    (folder / "short.png").write_bytes(whole.getvalue()[:60])


def test_broken_files_are_named_and_skipped(tmp_path):
    broken(tmp_path)
    data = load(tmp_path)
    assert len(data) == len(everything(data)) == 60
    assert all(name.startswith("good") for name in data.ids)
    (note,) = data.notes
    assert note.startswith("3 of 63 files could not be read and are skipped: ")
    assert "empty.png (not an image)" in note
    assert "text.jpg (not an image)" in note
    assert "short.png (" in note


@pytest.mark.parametrize("good", [0, 40])
def test_too_many_broken_files_are_refused(tmp_path, good):
    broken(tmp_path, good)
    with pytest.raises(ValueError, match=rf"at most 5% .* got [23] of {good + 3} files: .*empty.png \(not an image\)"):
        load(tmp_path)


def test_too_many_broken_bodies_are_refused(tmp_path):
    whole = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, "jpeg")
    (tmp_path / "a.jpg").write_bytes(whole.getvalue()[:1500])
    with pytest.raises(ValueError, match=r"1 of 1 files: a.jpg \(.*truncated"):
        load(tmp_path)


@pytest.mark.parametrize("factor", [1, 4])
def test_a_decompression_bomb_is_an_unreadable_file(tmp_path, monkeypatch, factor):
    """Pillow warns beyond its limit and fails beyond twice that."""
    broken(tmp_path)
    save(tmp_path / "bomb.png", ramp(20, 20 * factor))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(ValueError, match=r"bomb.png \(a decompression bomb or far too large: beyond 300 pixels\)"):
        load(tmp_path)


def test_32_bit_pixels_are_unreadable(tmp_path):
    for place in range(40):
        save(tmp_path / f"good{place}.tif", ramp(4, 4))
    save(tmp_path / "float.tif", np.zeros((4, 4), dtype=np.float32))
    assert "float.tif (pixels of 32 bits, where 8 or 16 are understood)" in load(tmp_path).notes[-1]


def test_a_file_that_only_says_it_is_an_image_starts_no_program(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF")
    with pytest.raises(ValueError, match=r"a.png \(not an image\)"):
        load(tmp_path)


def test_a_folder_without_images_says_what_it_should_hold(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds files that end in .png, .* got none"):
        load(tmp_path)


def test_one_image_is_a_set_of_one(tmp_path):
    save(tmp_path / "a.png", ramp(3, 4))
    data = load(tmp_path / "a.png")
    assert (len(data), data.shape, data.ids, data.labels) == (1, (3, 3, 4), ["a.png"], None)


def test_a_limit_takes_images_of_every_class(tmp_path):
    for name in ("cat", "dog"):
        for place in range(6):
            save(tmp_path / name / f"{place}.png", ramp(2, 2))
    assert load(tmp_path, limit=4).labels.tolist() == [0, 0, 1, 1]


def test_decoding_tells_how_far_it_is(tmp_path):
    for place in range(3):
        save(tmp_path / f"{place}.png", ramp(2, 2))
    seen = []
    load(tmp_path, progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("options", [{"size": 0}, {"size": (3, 4, 5)}, {"size": (3, -1)}, {"channels": 2}])
def test_options_that_no_image_has_are_refused(options):
    with pytest.raises(ValueError, match=r"an image size is|images have 1 \(grey\)"):
        DataOptions(**options)


def test_a_fingerprint_is_of_the_pixels_in_memory(tmp_path):
    for folder, ending in (("one", "png"), ("two", "bmp")):
        save(tmp_path / folder / f"a.{ending}", ramp(4, 4))
    save(tmp_path / "three" / "a.png", ramp(4, 4) // 2)
    one, two, three = (load(tmp_path / folder).fingerprint for folder in ("one", "two", "three"))
    assert one == two != three


@pytest.fixture
def streamed(tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        for place in range(5):
            save(tmp_path / name / f"{place}.png", ramp(6, 8) + place)
    held = load(tmp_path, size=(3, 4))
    monkeypatch.setattr(images, "HELD_BYTES", 100)
    return held, load(tmp_path, size=(3, 4)), tmp_path


def test_a_stream_gives_what_memory_gives(streamed):
    held, stream, _ = streamed
    assert isinstance(stream.storage, images.Streamed)
    assert (stream.shape, stream.dtype, stream.ids, stream.classes) == (held.shape, held.dtype, held.ids, held.classes)
    rows = torch.tensor([7, 2, 2, 0])
    assert torch.equal(stream.batch(rows), held.batch(rows))
    assert torch.equal(stream.labels_of(rows), held.labels_of(rows))
    rest, part = stream.split(3, seed=0)
    assert torch.equal(part.batch(torch.arange(3)), held.split(3, seed=0)[1].batch(torch.arange(3)))
    assert len(rest) == 7
    assert stream.codec == LevelsCodec(0, 255, 256)
    assert stream.notes[-1] == "too large for memory: decoded as it is used"


def test_a_stream_has_the_fingerprint_of_its_files_and_frame(streamed):
    _, stream, folder = streamed
    again, other = load(folder, size=(3, 4)), load(folder, size=(4, 4))
    assert stream.fingerprint == again.fingerprint != other.fingerprint
    save(folder / "cat" / "3.png", ramp(6, 8))
    assert load(folder, size=(3, 4)).fingerprint != stream.fingerprint


def test_a_stream_names_the_image_that_breaks_it(streamed):
    _, stream, folder = streamed
    (folder / "dog" / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"dog/1.png could not be read \(not an image\); take it away"):
        stream.batch(torch.tensor([0, 6]))
    assert len(stream.batch(torch.tensor([0, 5]))) == 2


def test_large_images_are_decoded_in_threads_with_the_same_result(tmp_path, monkeypatch):
    for place in range(5):
        save(tmp_path / f"{place}.png", ramp(6, 8) + place)
    alone = everything(load(tmp_path))
    monkeypatch.setattr(images, "LARGE_PIXELS", 1)
    monkeypatch.setattr(images.os, "cpu_count", lambda: 4)
    assert torch.equal(everything(load(tmp_path)), alone)
