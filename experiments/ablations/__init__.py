"""What each part of the paper's recipe is worth: one change at a time, several seeds each.

The paper's abstract names normalisation layers, generator and discriminator architectures,
training strategies and perceptual losses, and shows no table. `variants` says what is run,
`measure` how it is judged, `table` what is written.
"""
