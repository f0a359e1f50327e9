"""Which is real? A study with people: blind pairs at equal bytes, votes, and a ranking.

`prepare` makes all pictures once; `pairs` says who is asked what; `votes` keeps the answers;
`ranking` and `agreement` say what they mean; `outcome` puts it all together.
"""
