"""Heads of exactly known pose, rendered from CC0 art.

`assets` reads the art, `subject` draws one person from it (identity, expression, hair, hats, clothes), `shot`
chooses pose, camera and light, `renderer` makes pixels on EGL, `pictures` composes crops and scenes with
their labels, and `writer` fills resumable shards. Inside this package lengths are decimetres in the art's
axes (x to the subject's left, y up, z out of the face); labels leave it in metres and in the axes of
`headwise.conventions`.
"""
