"""One module a source: `write(out, count, seed)` writes `count` drawn images in that source's published layout.

It returns the `expected` part of `phantoms.json`: `read`, `quarantined` and `excluded` by reason, and
`pixel_duplicates`, the images whose pixels equal those of an earlier one.
"""
