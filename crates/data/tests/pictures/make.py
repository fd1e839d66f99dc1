"""Writes small pictures of every supported format with Pillow: python make.py (needs Pillow)."""
from PIL import Image

picture = Image.new("RGB", (40, 30))
picture.putdata([(x * 6, y * 8, 90) for y in range(30) for x in range(40)])
picture.save("plain.jpg", quality=85)
picture.save("progressive.jpg", quality=85, progressive=True)
picture.convert("L").save("gray.jpg")
picture.convert("CMYK").save("cmyk.jpg")
picture.save("plain.png")
picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=16).save("palette.png")
picture.save("plain.bmp")
picture.convert("P", palette=Image.Palette.ADAPTIVE).save("plain.gif")
picture.save("plain.ppm")
picture.convert("L").save("gray.pgm")
picture.save("deflate.tiff", compression="tiff_adobe_deflate")
picture.save("lzw.tif", compression="tiff_lzw")
picture.save("lossy.webp", quality=80)
picture.save("lossless.webp", lossless=True)
