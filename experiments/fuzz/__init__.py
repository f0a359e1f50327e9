"""Damaged and forged files for `hfx.decompress`, a hundred thousand of them."""
