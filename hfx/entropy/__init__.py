"""Entropy coding: integers to bytes and back, the same bytes on every machine.

::

    training (floats)                   export (once)                coding (integers only)
    scales -> likelihood -> bits        scales -> pmf -> tables      symbols + index + tables
    (differentiable rates)              (the float -> integer door)    -> coder -> bytes
                                        h_s -> fixedpoint layers     fixedpoint -> mu, index

`scales` is the table of widths shared by training and coding, `likelihood` the differentiable
rate, `pmf` the only place where probabilities become integers, `coder` the range coder, and
`fixedpoint` the exact integer inference that says which table codes which symbol.
"""
