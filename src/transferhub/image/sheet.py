"""A contact sheet: many small pictures in one, for people to look at."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from transferhub.image.decode import Pixels

LINE = 14  # pixels of a caption's line
INK, PAPER = (40, 40, 40), (255, 255, 255)


def contact_sheet(pictures: Sequence[Pixels], captions: Sequence[str] = (), columns: int = 8, side: int = 112) -> bytes:
    """Put pictures side by side and return the sheet as the bytes of a PNG.

    Args:
        pictures: uint8 ``[h, w, 3]`` each.
        captions: A line under each; none: no lines.
        columns: Pictures in a row.
        side: The longer side of each on the sheet, in pixels.
    """
    across, down = min(columns, max(1, len(pictures))), -(-len(pictures) // columns)
    line = LINE if captions else 0
    sheet = Image.new("RGB", (across * side, max(1, down) * (side + line)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, pixels in enumerate(pictures):
        left, top = place % columns * side, place // columns * (side + line)
        small = Image.fromarray(pixels)
        small.thumbnail((side - 2, side - 2), Image.Resampling.BILINEAR)
        sheet.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
        if captions:
            caption = captions[place]
            while caption and draw.textlength(caption) > side - 4:
                caption = caption[:-2] + "…" if len(caption) > 2 else ""
            draw.text((left + 2, top + side), caption, INK)
    written = io.BytesIO()
    sheet.save(written, "PNG", optimize=True)
    return written.getvalue()
