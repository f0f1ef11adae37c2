"""One image as bytes of one colour: turned as its EXIF data say, and scaled by the range of its values.

Pillow's own `convert` cuts off what does not fit into a byte: of 16 bits all values above 255 become white, and numbers
between 0 and 1 all black.
"""

import numpy as np
from PIL import Image, ImageOps

SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of one channel of 16 bits without sign."""
WITHOUT_RANGE = ("I", "F")
"""Pillow's modes of whole numbers of 32 bits and of floats: which of their values is white, no file says."""
BITS_PER_SAMPLE = 258
"""TIFF's tag: 12 where twelve of the sixteen bits are used."""


def decoded(image: Image.Image, mode: str) -> Image.Image:
    """The image in Pillow's `mode` "RGB" or "L", as a viewer shows it.

    An EXIF orientation is applied. Sixteen bits a value become eight by the largest value that the format can hold (of
    a TIFF with twelve bits 4095, else 65535), not by the largest that occurs: images stay comparable.

    Raises:
        ValueError: the image's values have no range: 32 bits or floats. Else what Pillow raises for broken files.
    """
    # Before the pixels are read, which take the format's name and tags with them.
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
    sixteen = image.mode in SIXTEEN or (image.mode == "I" and image.format == "PPM")  # Pillow scales PGM to 0…65535
    if image.mode in WITHOUT_RANGE and not sixteen:
        raise ValueError(
            f"its mode {image.mode!r} ({'32 bits' if image.mode == 'I' else 'floats'} a value) does not say which "
            "value is white; save it with 8 or 16 bits"
        )
    upright = _upright(image)
    if sixteen:
        largest = 2 ** min(bits) - 1 if isinstance(bits, tuple) and 8 < min(bits, default=0) <= 16 else 65535
        values = np.asarray(upright).astype(np.float64) * (255 / largest)
        upright = Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))
    return upright.convert(mode)


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; where its EXIF data are damaged, as it is stored."""
    tiles = getattr(image, "tile", [])
    if image.format == "TIFF" and tiles and tiles[0].codec_name == "raw":
        # Pillow 13 turns TIFFs itself while it reads them, those without compression after having read them with width
        # and height exchanged: here they are as the file stores them.
        image._size = max(tile.extents[2] for tile in tiles), max(tile.extents[3] for tile in tiles)
    image.load()  # what is wrong with the pixels is told by Pillow's own errors
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF data are parsed by code that raises whatever it meets
        return image
